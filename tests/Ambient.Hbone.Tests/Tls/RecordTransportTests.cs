using System.Security.Cryptography;
using System.Text;
using Ambient.Hbone.Http2;
using Ambient.Hbone.Tls;
using Ambient.Hbone.Tls.Native;

namespace Ambient.Hbone.Tests.Tls;

/// <summary>Our half of TLS after the handshake (RFC 8446, 4.6, 5 and 6), against a peer that has the keys.</summary>
public sealed class RecordTransportTests
{
    private static readonly byte[] s_ticket = [4, 0, 0, 40, .. new byte[40]];
    private static readonly byte[] s_update = [24, 0, 0, 1, 0];
    private static readonly byte[] s_updateAndAsk = [24, 0, 0, 1, 1];
    private static readonly byte[] s_closeNotify = [1, 0];

    [Fact]
    public async Task Read_EveryWayToCutTheBytes_GivesTheSame()
    {
        var total = await Length();
        for (var at = 0; at <= total; at++)
        {
            await using var peer = new RecordPeer(weAreClient: true);
            var bytes = Conversation(peer);
            peer.Channel.Arrive(bytes.AsMemory(0, at));
            var first = peer.Read();
            peer.Channel.Arrive(bytes.AsMemory(at));
            var second = first.Ended ? ([], true) : peer.Read();

            Assert.True(second.Ended);
            Assert.Equal("hello, world of records", Encoding.ASCII.GetString([.. first.Data, .. second.Data]));
        }

        static async Task<int> Length()
        {
            await using var peer = new RecordPeer(weAreClient: true);
            return Conversation(peer).Length;
        }
    }

    [Fact]
    public async Task Read_ByteByByte_GivesTheSame()
    {
        await using var peer = new RecordPeer(CipherSuite.Aes128, weAreClient: true);
        var data = new List<byte>();
        foreach (var each in Conversation(peer))
        {
            peer.Channel.Arrive(new[] { each });
            data.AddRange(peer.Read().Data);
        }

        Assert.Equal("hello, world of records", Encoding.ASCII.GetString([.. data]));
    }

    [Theory]
    [InlineData(16384, 0)]
    [InlineData(16383, 1)]
    [InlineData(8000, 8384)]
    [InlineData(0, 16384)]
    public async Task Read_LargestRecordCutAnywhere_GivesTheSame(int content, int padding)
    {
        var sent = RandomNumberGenerator.GetBytes(content);
        const int length = RecordCipher.Header + RecordCipher.MaxContent + 1 + RecordCipher.Tag;
        foreach (var at in Cuts(length))
        {
            await using var peer = new RecordPeer();
            byte[] bytes = [.. peer.Record(RecordPeer.Data, sent, padding), .. peer.Record("behind")];
            peer.Channel.Arrive(bytes.AsMemory(0, at));
            var first = peer.Read().Data;
            peer.Channel.Arrive(bytes.AsMemory(at));
            var second = peer.Read().Data;

            Assert.Equal(at == length ? content : 0, first.Length);
            Assert.True(((byte[])[.. first, .. second]).AsSpan().SequenceEqual((byte[])[.. sent, .. "behind"u8]), $"other bytes, cut at {at}");
        }
    }

    [Theory]
    [InlineData(16384, 0)]
    [InlineData(8000, 8384)]
    public async Task Read_LargestRecordByteByByte_GivesTheSame(int content, int padding)
    {
        var sent = RandomNumberGenerator.GetBytes(content);
        await using var peer = new RecordPeer();
        var record = peer.Record(RecordPeer.Data, sent, padding);
        var space = new byte[Http2Transport.MinReadSpace];
        for (var at = 0; at < record.Length - 1; at++)
        {
            peer.Channel.Arrive(record.AsMemory(at, 1));
            peer.Wait();
            Assert.Equal(0, peer.Transport.TryRead(space));
        }

        peer.Channel.Arrive(record.AsMemory(record.Length - 1));
        peer.Wait();
        Assert.Equal(content, peer.Transport.TryRead(space));
        Assert.True(space.AsSpan(0, content).SequenceEqual(sent));
    }

    [Theory]
    [InlineData(16384, 0)]
    [InlineData(16383, 1)]
    [InlineData(1, 16383)]
    [InlineData(0, 16384)]
    public async Task Read_LargestRecord_FitsTheSmallestSpace(int content, int padding)
    {
        await using var peer = new RecordPeer();
        peer.Channel.Arrive(peer.Record(RecordPeer.Data, new byte[content], padding));
        var space = new byte[Http2Transport.MinReadSpace];

        Assert.Equal(content, peer.Transport.TryRead(space));
    }

    [Fact]
    public async Task Read_SmallRecords_ComeSeveralAtATimeAndWithinATurn()
    {
        await using var peer = new RecordPeer();
        peer.Channel.Arrive(Enumerable.Range(0, 40).SelectMany(i => peer.Record($"{i:00}")).ToArray());
        var space = new byte[Http2Transport.MinReadSpace];

        Assert.Equal(32, peer.Transport.TryRead(space));
        Assert.Equal(32, peer.Transport.TryRead(space));
        Assert.Equal(16, peer.Transport.TryRead(space));
        Assert.Equal(0, peer.Transport.TryRead(space));
    }

    /// <summary>A socket tells of bytes when they come, and not again: a read that stops before it has them all must not wait for them.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Read_ThatLeavesBytesBehind_IsNotWaitedFor(bool tickets)
    {
        for (var padding = 0; padding < 4000; padding += 97)
        {
            await using var peer = new RecordPeer(weAreClient: true);
            peer.Channel.Arrive(Enumerable.Range(0, 40).SelectMany(_ => tickets ? peer.Record(RecordPeer.Handshake, s_ticket, padding) : peer.Record(RecordPeer.Data, new byte[1000], padding)).ToArray());
            var space = new byte[2 * Http2Transport.MinReadSpace];
            var read = 0;
            while (peer.Channel.HasMore)
            {
                read += peer.Transport.TryRead(space);
                var there = peer.Channel.HasMore;
                peer.Wait();
                Assert.True(!there || peer.Channel.Waits == 0, $"with padding of {padding}, it waited behind {read} bytes");
            }
        }
    }

    [Fact]
    public async Task Read_RecordThatDoesNotFitBehindOthers_WaitsForItsTurn()
    {
        await using var peer = new RecordPeer();
        peer.Channel.Arrive((byte[])[.. peer.Record(RecordPeer.Data, new byte[100]), .. peer.Record(RecordPeer.Data, new byte[16384])]);
        var space = new byte[Http2Transport.MinReadSpace];

        Assert.Equal(100, peer.Transport.TryRead(space));
        Assert.Equal(16384, peer.Transport.TryRead(space));
    }

    [Fact]
    public async Task Read_DataBehindCloseNotify_IsIgnored()
    {
        await using var peer = new RecordPeer();
        peer.Channel.Arrive((byte[])[.. peer.Record("before"), .. peer.Record(RecordPeer.Alert, s_closeNotify), .. peer.Record("behind")]);

        var (data, ended) = peer.Read();

        Assert.Equal("before", Encoding.ASCII.GetString(data));
        Assert.True(ended);
        Assert.Equal(-1, peer.Transport.TryRead(new byte[Http2Transport.MinReadSpace]));
    }

    [Fact]
    public async Task Read_EndWithoutCloseNotify_IsAnEndBetweenRecordsAndAFailureWithin()
    {
        await using var between = new RecordPeer();
        between.Channel.Arrive(between.Record("all"));
        between.Channel.End();
        Assert.True(between.Read().Ended);

        for (var cut = 1; cut < 10; cut++)
        {
            await using var within = new RecordPeer();
            within.Channel.Arrive(within.Record("all"));
            within.Channel.Arrive(within.Record("more").AsMemory(..cut));
            within.Channel.End();
            var (data, failure) = within.ReadToFailure();
            Assert.Equal("all", Encoding.ASCII.GetString(data));
            Assert.Contains("inside of a TLS record", failure.Message, StringComparison.Ordinal);
        }
    }

    public static TheoryData<string, byte> Broken => new()
    {
        { "tampered", TlsAlert.BadRecordMac },
        { "replayed", TlsAlert.BadRecordMac },
        { "too long", TlsAlert.RecordOverflow },
        { "longer than any", TlsAlert.RecordOverflow },
        { "no type", TlsAlert.UnexpectedMessage },
        { "only padding", TlsAlert.UnexpectedMessage },
        { "in the clear: alert", TlsAlert.UnexpectedMessage },
        { "in the clear: handshake", TlsAlert.UnexpectedMessage },
        { "in the clear: change_cipher_spec", TlsAlert.UnexpectedMessage },
        { "not TLS", TlsAlert.UnexpectedMessage },
        { "encrypted change_cipher_spec", TlsAlert.UnexpectedMessage },
        { "unknown type", TlsAlert.UnexpectedMessage },
        { "alert of one byte", TlsAlert.DecodeError },
        { "two alerts in a record", TlsAlert.DecodeError },
        { "empty handshake", TlsAlert.UnexpectedMessage },
        { "ticket for a server", TlsAlert.UnexpectedMessage },
        { "ClientHello", TlsAlert.UnexpectedMessage },
        { "key update of two bytes", TlsAlert.DecodeError },
        { "key update that asks for 2", TlsAlert.IllegalParameter },
        { "message behind a key update", TlsAlert.UnexpectedMessage },
        { "data within a message", TlsAlert.UnexpectedMessage },
        { "empty records", TlsAlert.UnexpectedMessage },
    };

    [Theory]
    [MemberData(nameof(Broken))]
    public async Task Read_BrokenRule_EndsItWithTheAlertAndTakesNothingMore(string what, byte alert)
    {
        await using var peer = new RecordPeer();
        peer.Channel.Arrive(peer.Record("good"));
        peer.Channel.Arrive(Break(peer, what));
        peer.Channel.Arrive(peer.Record("behind"));

        var (data, failure) = peer.ReadToFailure();

        Assert.Equal("good", Encoding.ASCII.GetString(data));
        Assert.Equal(alert, Assert.IsType<TlsRecordException>(failure).Alert);
        var sent = Assert.Single(peer.Sent());
        Assert.Equal((RecordPeer.Alert, 2, alert), (sent.Type, sent.Content[0], sent.Content[1]));
        Assert.Same(failure, Assert.Throws<TlsRecordException>(() => peer.Transport.TryRead(new byte[Http2Transport.MinReadSpace])));
        await Assert.ThrowsAsync<IOException>(async () => await peer.Transport.WriteAsync("no more"u8.ToArray()));
    }

    [Theory]
    [MemberData(nameof(Broken))]
    public async Task Read_BrokenRuleCutAnywhere_EndsWithTheSameAlert(string what, byte alert)
    {
        int length;
        await using (var peer = new RecordPeer())
        {
            length = Break(peer, what).Length;
        }

        foreach (var at in length <= 2000 ? Enumerable.Range(0, length + 1) : Cuts(length))
        {
            await using var peer = new RecordPeer();
            peer.Channel.Arrive(peer.Record("good"));
            Assert.Equal("good", Encoding.ASCII.GetString(peer.Read().Data));
            var bytes = Break(peer, what);
            peer.Channel.Arrive(bytes.AsMemory(0, at));
            var early = Record.Exception(() => Assert.Empty(peer.Read().Data));
            peer.Channel.Arrive(bytes.AsMemory(at));
            peer.Channel.Arrive(peer.Record("behind"));

            var (data, failure) = peer.ReadToFailure();

            Assert.Empty(data);
            Assert.Same(early ?? failure, failure);
            Assert.Equal(alert, Assert.IsType<TlsRecordException>(failure).Alert);
            var sent = Assert.Single(peer.Sent());
            Assert.Equal((RecordPeer.Alert, 2, alert), (sent.Type, sent.Content[0], sent.Content[1]));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Read_FatalAlert_NamesItWhateverItsLevelAndIsNotAnswered(byte level)
    {
        await using var peer = new RecordPeer();
        peer.Channel.Arrive(peer.Record(RecordPeer.Alert, [level, 46]));

        var (_, failure) = peer.ReadToFailure();

        Assert.Contains("certificate_unknown (46)", failure.Message, StringComparison.Ordinal);
        Assert.Empty(peer.Sent());
        await Assert.ThrowsAsync<IOException>(async () => await peer.Transport.WriteAsync("no more"u8.ToArray()));
    }

    [Fact]
    public async Task Read_UserCanceled_IsPassedOver()
    {
        await using var peer = new RecordPeer();
        peer.Channel.Arrive((byte[])[.. peer.Record(RecordPeer.Alert, [1, 90]), .. peer.Record("data"), .. peer.Record(RecordPeer.Alert, s_closeNotify)]);

        Assert.Equal("data", Encoding.ASCII.GetString(peer.Read().Data));
    }

    [Fact]
    public async Task KeyUpdate_ThatAsks_IsAnsweredOnceBeforeTheNextData()
    {
        await using var peer = new RecordPeer();
        for (var i = 0; i < 3; i++)
        {
            peer.Channel.Arrive(peer.Record(RecordPeer.Handshake, s_updateAndAsk));
            peer.UpdateKey();
            peer.Channel.Arrive(peer.Record($"under key {i}"));
        }

        Assert.Equal("under key 0under key 1under key 2", Encoding.ASCII.GetString(peer.Read().Data));
        Assert.Empty(peer.Sent());
        await peer.Transport.WriteAsync("first"u8.ToArray());
        await peer.Transport.WriteAsync("second"u8.ToArray());
        await peer.Transport.FlushAsync();

        Assert.Equal(
            [(RecordPeer.Handshake, Convert.ToHexString(s_update)), (RecordPeer.Data, Hex("first")), (RecordPeer.Data, Hex("second"))],
            peer.Sent().Select(each => (each.Type, Convert.ToHexString(each.Content))));
        Assert.Equal((3, 1), peer.Transport.KeyUpdates);
    }

    [Fact]
    public async Task KeyUpdate_ThatDoesNotAsk_IsNotAnswered()
    {
        await using var peer = new RecordPeer();
        peer.Channel.Arrive(peer.Record(RecordPeer.Handshake, s_update));
        peer.UpdateKey();
        peer.Channel.Arrive(peer.Record("data"));
        peer.Read();
        await peer.Transport.WriteAsync("answer"u8.ToArray());
        await peer.Transport.FlushAsync();

        Assert.Equal(RecordPeer.Data, Assert.Single(peer.Sent()).Type);
    }

    [Fact]
    public async Task KeyUpdate_OfOurs_ComesWhenTheKeyHasProtectedEnough()
    {
        await using var peer = new RecordPeer();
        peer.Transport.LimitRecords(4);
        for (var i = 0; i < 10; i++)
        {
            await peer.Transport.WriteAsync(Encoding.ASCII.GetBytes($"{i}"));
        }

        await peer.Transport.FlushAsync();
        var sent = peer.Sent();

        // The update itself is a record under the old key, and the fresh key begins at zero.
        Assert.Equal("0123456789", string.Concat(sent.Where(each => each.Type == RecordPeer.Data).Select(each => Encoding.ASCII.GetString(each.Content))));
        Assert.Equal(2, sent.Count(each => each.Type == RecordPeer.Handshake));
        Assert.Equal(RecordPeer.Handshake, sent[4].Type);
    }

    [Fact]
    public async Task KeyUpdate_UnderTheOldKey_IsRefused()
    {
        await using var peer = new RecordPeer();
        peer.Channel.Arrive(peer.Record(RecordPeer.Handshake, s_update));
        peer.Channel.Arrive(peer.Record("still the old key"));

        Assert.Equal(TlsAlert.BadRecordMac, Assert.IsType<TlsRecordException>(peer.ReadToFailure().Failure).Alert);
    }

    [Fact]
    public async Task Write_MoreThanARecord_IsCutIntoFullOnes()
    {
        await using var peer = new RecordPeer();
        await peer.Transport.WriteAsync(new byte[40_000]);
        await peer.Transport.FlushAsync();

        Assert.Equal([16384, 16384, 7232], peer.Sent().Select(each => each.Content.Length));
    }

    [Fact]
    public async Task CloseWrite_SaysCloseNotifyOnce()
    {
        await using var peer = new RecordPeer();
        await peer.Transport.WriteAsync("last"u8.ToArray());
        await peer.Transport.CloseWriteAsync();
        await peer.Transport.CloseWriteAsync();

        var sent = peer.Sent();
        Assert.Equal([RecordPeer.Data, RecordPeer.Alert], sent.Select(each => each.Type));
        Assert.Equal(s_closeNotify, sent[1].Content);
    }

    [Fact]
    public async Task AfterDispose_NothingIsTouched()
    {
        var peer = new RecordPeer();
        peer.Channel.Arrive(peer.Record("data"));
        await peer.Transport.DisposeAsync();
        await peer.Transport.DisposeAsync();

        Assert.Throws<IOException>(() => peer.Transport.TryRead(new byte[Http2Transport.MinReadSpace]));
        await Assert.ThrowsAsync<IOException>(async () => await peer.Transport.WriteAsync("data"u8.ToArray()));
    }

    [Fact]
    public async Task Records_OnceWarm_AllocateNothing()
    {
        await using var peer = new RecordPeer();
        peer.Channel.Forgets = true;
        var message = new byte[1000];
        var space = new byte[Http2Transport.MinReadSpace];
        var least = long.MaxValue;
        for (var round = 0; round < 12 && (round < 2 || least > 1000); round++)
        {
            var arriving = Enumerable.Range(0, 1000).Select(_ => peer.Record(RecordPeer.Data, message)).ToArray();
            var (read, done) = (0, true);
            var before = GC.GetAllocatedBytesForCurrentThread();
            foreach (var record in arriving)
            {
                peer.Channel.Arrive(record);
                read += peer.Transport.TryRead(space);
                var write = peer.Transport.WriteAsync(message);
                var flush = peer.Transport.FlushAsync();
                var wait = peer.Transport.WaitToReadAsync();
                done &= write.IsCompletedSuccessfully && flush.IsCompletedSuccessfully && wait.IsCompletedSuccessfully;
            }

            // The first round is warming up, and tests beside this one may hold all of the pool's buffers: what records cost, they cost in each.
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
            Assert.True(done);
            Assert.Equal(1_000_000, read);
        }

        // A thousand records each way: what is allowed is less than a byte for each.
        Assert.InRange(least, 0, 1000);
    }

    /// <summary>Where records of so many bytes are cut: within the header, near both ends, and here and there between.</summary>
    private static IEnumerable<int> Cuts(int length) =>
        Enumerable.Range(0, length + 1).Where(at => at <= RecordCipher.Header + 64 || at >= length - 64 || at % 97 == 0);

    private static byte[] Conversation(RecordPeer peer)
    {
        List<byte> bytes = [.. peer.Record("hello"), .. peer.Record(RecordPeer.Handshake, s_ticket), .. peer.Record(RecordPeer.Data, ", "u8, padding: 9)];

        // A ticket in three records, the last of which begins another one.
        bytes.AddRange(peer.Record(RecordPeer.Handshake, s_ticket.AsSpan(0, 3)));
        bytes.AddRange(peer.Record(RecordPeer.Handshake, s_ticket.AsSpan(3, 20)));
        bytes.AddRange(peer.Record(RecordPeer.Handshake, [.. s_ticket[23..], .. s_ticket[..2]]));
        bytes.AddRange(peer.Record(RecordPeer.Handshake, [.. s_ticket[2..], .. s_updateAndAsk]));
        peer.UpdateKey();
        bytes.AddRange(peer.Record(RecordPeer.Data, []));
        bytes.AddRange(peer.Record("world of"));
        bytes.AddRange(peer.Record(" records"));
        bytes.AddRange(peer.Record(RecordPeer.Alert, s_closeNotify));
        return [.. bytes];
    }

    private static byte[] Break(RecordPeer peer, string what)
    {
        switch (what)
        {
            case "tampered":
                var tampered = peer.Record("data");
                tampered[^1] ^= 1;
                return tampered;
            case "replayed":
                var twice = peer.Record(RecordPeer.Data, []);
                return [.. twice, .. twice];
            case "too long":
                return [23, 3, 3, 0x40, 0x12, .. new byte[0x4012]];
            case "longer than any":
                return [23, 3, 3, 0xff, 0xff, .. new byte[100]];
            case "no type":
                return [23, 3, 3, 0, 16, .. new byte[16]];
            case "only padding":
                return peer.Record(0, new byte[10]);
            case "in the clear: alert":
                return [21, 3, 3, 0, 2, 1, 0];
            case "in the clear: handshake":
                return [22, 3, 3, 0, 4, 0, 0, 0, 0];
            case "in the clear: change_cipher_spec":
                return [20, 3, 3, 0, 1, 1];
            case "not TLS":
                return "GET / HTTP/1.1\r\n\r\n"u8.ToArray();
            case "encrypted change_cipher_spec":
                return peer.Record(20, [1]);
            case "unknown type":
                return peer.Record(99, [1]);
            case "alert of one byte":
                return peer.Record(RecordPeer.Alert, [1]);
            case "two alerts in a record":
                return peer.Record(RecordPeer.Alert, [1, 0, 1, 0]);
            case "empty handshake":
                return peer.Record(RecordPeer.Handshake, []);
            case "ticket for a server":
                return peer.Record(RecordPeer.Handshake, s_ticket);
            case "ClientHello":
                return peer.Record(RecordPeer.Handshake, [1, 0, 0, 1, 0]);
            case "key update of two bytes":
                return peer.Record(RecordPeer.Handshake, [24, 0, 0, 2, 0, 0]);
            case "key update that asks for 2":
                return peer.Record(RecordPeer.Handshake, [24, 0, 0, 1, 2]);
            case "message behind a key update":
                return peer.Record(RecordPeer.Handshake, [.. s_update, 24]);
            case "data within a message":
                return [.. peer.Record(RecordPeer.Handshake, [24, 0]), .. peer.Record("data")];
            case "empty records":
                return [.. Enumerable.Range(0, 65).SelectMany(_ => peer.Record(RecordPeer.Data, []))];
            default:
                throw new ArgumentException(what);
        }
    }

    private static string Hex(string text) => Convert.ToHexString(Encoding.ASCII.GetBytes(text));
}
