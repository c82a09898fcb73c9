using System.Buffers.Binary;
using System.Security.Cryptography;
using Ambient.Hbone.Tls;
using Ambient.Hbone.Tls.Native;

namespace Ambient.Hbone.Tests.Tls;

/// <summary>Our transport after a handshake that never was, and a peer that has the same secrets and breaks what rule it likes.</summary>
internal sealed class RecordPeer : IAsyncDisposable
{
    public const byte Alert = 21;
    public const byte Handshake = 22;
    public const byte Data = 23;

    // A read may bring nothing and another one more: records without data, and pieces that arrive one at a time.
    private const int MostReads = 20;
    private readonly RecordCipher _seal;
    private readonly RecordCipher _open;
    private readonly byte[] _space = new byte[256 * 1024];

    public RecordPeer(CipherSuite? suite = null, bool weAreClient = false)
    {
        suite ??= CipherSuite.Aes256;
        var (theirs, ours) = (RandomNumberGenerator.GetBytes(suite.HashSize), RandomNumberGenerator.GetBytes(suite.HashSize));
        (_seal, _open) = (new RecordCipher(suite, theirs, encrypts: true), new RecordCipher(suite, ours, encrypts: false));
        Transport = new RecordTransport(
            Channel, new RecordBuffers(Channel), new RecordCipher(suite, theirs, encrypts: false), new RecordCipher(suite, ours, encrypts: true), weAreClient);
    }

    public ScriptedChannel Channel { get; } = new();

    public RecordTransport Transport { get; }

    /// <summary>A record of the peer's: content and padding under its present key.</summary>
    public byte[] Record(byte type, ReadOnlySpan<byte> content, int padding = 0)
    {
        // The cipher puts the type behind what it is given, so padding is content behind a type of zero.
        byte[] inner = [.. content, .. padding > 0 ? [type, .. new byte[padding - 1]] : Array.Empty<byte>()];
        var record = new byte[RecordCipher.Header + inner.Length + 1 + RecordCipher.Tag];
        _seal.Seal(padding > 0 ? (byte)0 : type, inner, record);
        return record;
    }

    public byte[] Record(string text) => Record(Data, System.Text.Encoding.ASCII.GetBytes(text));

    /// <summary>The peer changes its key: to be called behind the record that says so.</summary>
    public void UpdateKey() => _seal.Update();

    /// <summary>What our side has sent since: type and content of each record.</summary>
    public List<(byte Type, byte[] Content)> Sent()
    {
        var records = new List<(byte, byte[])>();
        var sent = Channel.TakeSent().AsSpan();
        while (!sent.IsEmpty)
        {
            var record = sent[..(5 + BinaryPrimitives.ReadUInt16BigEndian(sent[3..]))];
            sent = sent[record.Length..];
            var inner = new byte[record.Length - 5 - RecordCipher.Tag];
            Assert.True(_open.TryOpen(record, inner, []), "our record cannot be decrypted");
            records.Add((inner[^1], inner[..^1]));
            if (inner[^1] == Handshake && inner[0] == 24)
            {
                _open.Update();
            }
        }

        return records;
    }

    /// <summary>All that arrives until there is nothing, the end, or a failure.</summary>
    public (byte[] Data, bool Ended) Read()
    {
        var data = new List<byte>();
        for (var nothing = 0; nothing < MostReads;)
        {
            Wait();
            var count = Transport.TryRead(_space);
            if (count < 0)
            {
                return ([.. data], true);
            }

            nothing = count == 0 ? nothing + 1 : 0;
            data.AddRange(_space.AsSpan(0, count));
        }

        return ([.. data], false);
    }

    /// <summary>As the read loop does before it tries again.</summary>
    public void Wait()
    {
        var wait = Transport.WaitToReadAsync();
        Assert.True(wait.IsCompletedSuccessfully);
    }

    /// <summary>The failure that reading ends with, and what came before.</summary>
    public (byte[] Data, IOException Failure) ReadToFailure()
    {
        var data = new List<byte>();
        try
        {
            for (var nothing = 0; nothing < MostReads;)
            {
                Wait();
                var count = Transport.TryRead(_space);
                Assert.True(count >= 0, "it ended in order");
                nothing = count == 0 ? nothing + 1 : 0;
                data.AddRange(_space.AsSpan(0, count));
            }

            throw new InvalidOperationException("it did not fail");
        }
        catch (IOException e)
        {
            return ([.. data], e);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Transport.DisposeAsync();
        _seal.Dispose();
        _open.Dispose();
    }
}
