using System.Text;
using Ambient.Testing.Fuzzing;

namespace Ambient.Hbone.Tests.Tls;

/// <summary>Records of a peer in any order, cut anywhere and some of them mangled: what is read is always what was sent, up to a point.</summary>
public sealed class RecordFuzzTests
{
    [Theory]
    [Trait("Category", "Fuzz")]
    [InlineData(false)]
    [InlineData(true)]
    public void Records_OfAnyKindAndCut_GiveWhatWasSentAndNothingElse(bool mangled) => FuzzBudget.Run(40, random => Round(random, mangled));

    private static void Round(Random random, bool mangle)
    {
        var weAreClient = random.Next(2) == 0;
        var peer = new RecordPeer(weAreClient: weAreClient);
        var sent = new List<byte>();
        var bytes = new List<byte>();
        for (var i = random.Next(1, 30); i > 0; i--)
        {
            bytes.AddRange(Next(peer, random, weAreClient, sent));
        }

        if (mangle)
        {
            for (var i = random.Next(1, 4); i > 0; i--)
            {
                bytes[random.Next(bytes.Count)] ^= (byte)random.Next(1, 256);
            }
        }

        var (read, failure) = ReadAll(peer, bytes.ToArray(), random);

        if (mangle)
        {
            Assert.True(read.Length <= sent.Count);
        }
        else
        {
            Assert.Null(failure);
            Assert.Equal(sent.Count, read.Length);
        }

        Assert.True(read.AsSpan().SequenceEqual(sent.ToArray().AsSpan(0, read.Length)), $"what was read is not what was sent: {Encoding.ASCII.GetString(read)}");
        peer.Transport.DisposeAsync().AsTask().GetAwaiter().GetResult();
    }

    private static (byte[] Read, IOException? Failure) ReadAll(RecordPeer peer, byte[] bytes, Random random)
    {
        var read = new List<byte>();
        var most = new[] { 3, 100, 20_000 }[random.Next(3)];
        try
        {
            for (var at = 0; at < bytes.Length;)
            {
                var count = Math.Min(random.Next(1, most), bytes.Length - at);
                peer.Channel.Arrive(bytes.AsMemory(at, count));
                at += count;
                if (random.Next(3) > 0 || at == bytes.Length)
                {
                    read.AddRange(peer.Read().Data);
                }
            }
        }
        catch (IOException e)
        {
            return ([.. read], e);
        }

        return ([.. read], null);
    }

    private static byte[] Next(RecordPeer peer, Random random, bool weAreClient, List<byte> sent)
    {
        switch (random.Next(6))
        {
            case 0:
                return peer.Record(RecordPeer.Data, []);
            case 1:
                var update = peer.Record(RecordPeer.Handshake, [24, 0, 0, 1, (byte)random.Next(2)], random.Next(20));
                peer.UpdateKey();
                return update;
            case 2 when weAreClient:
                var size = random.Next(1, 400);
                byte[] ticket = [4, 0, (byte)(size >> 8), (byte)size, .. new byte[size]];
                var cut = random.Next(1, ticket.Length);
                return [.. peer.Record(RecordPeer.Handshake, ticket.AsSpan(0, cut)), .. peer.Record(RecordPeer.Handshake, ticket.AsSpan(cut), random.Next(20))];
            case 3:
                return peer.Record(RecordPeer.Alert, [1, 90]);
            default:
                var content = new byte[random.Next(3) == 0 ? random.Next(1, 16385) : random.Next(1, 100)];
                random.NextBytes(content);
                sent.AddRange(content);
                return peer.Record(RecordPeer.Data, content, random.Next(2) == 0 ? 0 : random.Next(Math.Min(300, 16385 - content.Length)));
        }
    }
}
