using System.Buffers.Binary;
using System.Text;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Http2.HPack;

namespace Ambient.Testing.Http2;

/// <summary>
/// A scripted HTTP/2 peer that sends whatever it is told, legal or not, over any stream, as client or as server. It
/// answers nothing by itself; what it expects comes within <see cref="Patience"/>, or the test fails and says what came
/// instead.
/// </summary>
internal sealed class RudePeer : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private readonly Stream _stream;
    private readonly bool _isClient;
    private readonly HPackDecoder _decoder = new();
    private readonly List<string> _log = [];

    /// <param name="stream">Transport; disposed with the peer.</param>
    /// <param name="isClient">Whether this peer is the client of the connection.</param>
    public RudePeer(Stream stream, bool isClient)
    {
        _stream = stream;
        _isClient = isClient;
    }

    /// <summary>How long an expected frame may take; generous, since it only matters when a test fails.</summary>
    public TimeSpan Patience { get; set; } = s_patience;

    /// <summary>Encoder of the header blocks that this peer sends.</summary>
    public HPackEncoder Encoder { get; } = new();

    /// <summary>The preface and SETTINGS of both sides, acknowledged by both. Returns the other side's SETTINGS.</summary>
    public async Task<ReceivedFrame> HandshakeAsync(params (SettingId Id, uint Value)[] settings)
    {
        if (_isClient)
        {
            await SendRawAsync(Http2Constants.ClientPreface.ToArray());
        }
        else
        {
            await ExpectPrefaceAsync();
        }

        await SendSettingsAsync(settings);
        var theirs = await ExpectAsync(FrameType.Settings);
        await SendAsync(FrameType.Settings, FrameFlags.Ack, 0);
        await ExpectAsync(frame => frame.Type == FrameType.Settings && frame.Header.HasFlag(FrameFlags.Ack), "SETTINGS with ACK");
        return theirs;
    }

    /// <summary>Reads what a client sends first.</summary>
    public async Task ExpectPrefaceAsync()
    {
        var preface = new byte[Http2Constants.ClientPreface.Length];
        using var timeout = new CancellationTokenSource(Patience);
        await _stream.ReadExactlyAsync(preface, timeout.Token);
        if (!preface.AsSpan().SequenceEqual(Http2Constants.ClientPreface))
        {
            throw new InvalidOperationException($"not the client preface: {Convert.ToHexString(preface)}");
        }
    }

    public async Task SendRawAsync(ReadOnlyMemory<byte> bytes)
    {
        using var timeout = new CancellationTokenSource(Patience);
        await _stream.WriteAsync(bytes, timeout.Token);
        await _stream.FlushAsync(timeout.Token);
    }

    public Task SendAsync(FrameType type, FrameFlags flags, int streamId, params byte[] payload) => SendRawAsync(Frame(type, flags, streamId, payload));

    /// <summary>The same frame many times, in few writes. Stops quietly when the other side has closed.</summary>
    public async Task FloodAsync(int count, Func<int, byte[]> frame)
    {
        try
        {
            for (var sent = 0; sent < count;)
            {
                var batch = new List<byte>();
                for (; sent < count && batch.Count < 16 * 1024; sent++)
                {
                    batch.AddRange(frame(sent));
                }

                await SendRawAsync(batch.ToArray());
            }
        }
        catch (IOException)
        {
        }
    }

    public Task SendSettingsAsync(params (SettingId Id, uint Value)[] settings)
    {
        var payload = new byte[settings.Length * Setting.Size];
        for (var i = 0; i < settings.Length; i++)
        {
            BinaryPrimitives.WriteUInt16BigEndian(payload.AsSpan(i * Setting.Size), (ushort)settings[i].Id);
            BinaryPrimitives.WriteUInt32BigEndian(payload.AsSpan((i * Setting.Size) + 2), settings[i].Value);
        }

        return SendAsync(FrameType.Settings, FrameFlags.None, 0, payload);
    }

    /// <summary>A CONNECT as an honest client sends it.</summary>
    public Task SendConnectAsync(int streamId, string authority = "10.0.0.1:80", bool endStream = false) =>
        SendHeadersAsync(streamId, endStream, (":method", "CONNECT"), (":authority", authority));

    public Task SendHeadersAsync(int streamId, bool endStream, params (string Name, string Value)[] headers) =>
        SendAsync(FrameType.Headers, endStream ? FrameFlags.EndHeaders | FrameFlags.EndStream : FrameFlags.EndHeaders, streamId, Block(headers));

    public Task SendDataAsync(int streamId, ReadOnlyMemory<byte> data, bool endStream = false) =>
        SendAsync(FrameType.Data, endStream ? FrameFlags.EndStream : FrameFlags.None, streamId, data.ToArray());

    public Task SendResetAsync(int streamId, Http2ErrorCode code) => SendAsync(FrameType.RstStream, FrameFlags.None, streamId, Number((uint)code));

    public Task SendWindowUpdateAsync(int streamId, int increment) => SendAsync(FrameType.WindowUpdate, FrameFlags.None, streamId, Number((uint)increment));

    public Task SendGoAwayAsync(int lastStreamId, Http2ErrorCode code) =>
        SendAsync(FrameType.GoAway, FrameFlags.None, 0, [.. Number((uint)lastStreamId), .. Number((uint)code)]);

    public Task SendPingAsync(ulong data = 0x0102030405060708, bool ack = false)
    {
        var payload = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(payload, data);
        return SendAsync(FrameType.Ping, ack ? FrameFlags.Ack : FrameFlags.None, 0, payload);
    }

    /// <summary>Ends what this peer sends; it may still read.</summary>
    public ValueTask CloseAsync() => _stream.DisposeAsync();

    /// <summary>The next frame, or null at the end of the connection (a reset of the transport is an end too).</summary>
    public async Task<ReceivedFrame?> ReadAsync()
    {
        using var timeout = new CancellationTokenSource(Patience);
        try
        {
            var header = new byte[FrameHeader.Size];
            var read = await _stream.ReadAtLeastAsync(header, header.Length, throwOnEndOfStream: false, timeout.Token);
            if (read == 0)
            {
                _log.Add("end");
                return null;
            }

            if (read < header.Length)
            {
                throw new InvalidOperationException($"the connection ended inside a frame header; {Log()}");
            }

            var parsed = FrameHeader.Read(header);
            var payload = new byte[parsed.Length];
            await _stream.ReadExactlyAsync(payload, timeout.Token);
            var frame = new ReceivedFrame(parsed, payload);
            _log.Add(frame.ToString());
            return frame;
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"nothing came within {Patience.TotalSeconds} s; {Log()}");
        }
        catch (IOException e) when (e is not EndOfStreamException)
        {
            _log.Add($"reset ({e.Message})");
            return null;
        }
    }

    /// <summary>Reads on until a frame of the type comes; those before it are skipped.</summary>
    public Task<ReceivedFrame> ExpectAsync(FrameType type) => ExpectAsync(frame => frame.Type == type, type.ToString());

    /// <summary>Reads on until a frame of the type comes for the stream; those before it are skipped.</summary>
    public Task<ReceivedFrame> ExpectAsync(FrameType type, int streamId) =>
        ExpectAsync(frame => frame.Type == type && frame.StreamId == streamId, $"{type} on stream {streamId}");

    /// <summary>Reads on until the wanted frame comes; those before it are skipped.</summary>
    public async Task<ReceivedFrame> ExpectAsync(Func<ReceivedFrame, bool> wanted, string what)
    {
        while (await ReadAsync() is { } frame)
        {
            if (wanted(frame))
            {
                return frame;
            }
        }

        throw new InvalidOperationException($"the connection ended before {what}; {Log()}");
    }

    /// <summary>Reads on to GOAWAY with the code and the end after it.</summary>
    public async Task<ReceivedFrame> ExpectGoAwayAsync(Http2ErrorCode code)
    {
        var frame = await ExpectAsync(FrameType.GoAway);
        if (frame.Code != code)
        {
            throw new InvalidOperationException($"GOAWAY {frame.Code} ({frame.Debug}) where {code} was expected; {Log()}");
        }

        await ExpectEndAsync();
        return frame;
    }

    /// <summary>Reads on to RST_STREAM of the stream with the code.</summary>
    public async Task ExpectResetAsync(int streamId, Http2ErrorCode code)
    {
        var frame = await ExpectAsync(FrameType.RstStream, streamId);
        if (frame.Code != code)
        {
            throw new InvalidOperationException($"RST_STREAM {frame.Code} where {code} was expected; {Log()}");
        }
    }

    /// <summary>Reads on to the end of the connection.</summary>
    public async Task ExpectEndAsync()
    {
        while (await ReadAsync() is not null)
        {
        }
    }

    /// <summary>Reads to HEADERS of the stream and decodes them. Blocks in one frame only.</summary>
    public async Task<(List<(string Name, string Value)> Headers, bool EndStream)> ExpectHeadersAsync(int streamId)
    {
        while (true)
        {
            var frame = await ExpectAsync(FrameType.Headers);
            var headers = Decode(frame);
            if (frame.StreamId == streamId)
            {
                return (headers, frame.EndStream);
            }
        }
    }

    /// <summary>Reads DATA of the stream until there are as many bytes; skips what belongs to others.</summary>
    public async Task<byte[]> ExpectDataAsync(int streamId, int count)
    {
        var data = new List<byte>();
        while (data.Count < count)
        {
            data.AddRange((await ExpectAsync(FrameType.Data, streamId)).Payload);
        }

        return [.. data];
    }

    /// <summary>
    /// Asks for an answer (PING) and returns what came before it: when it is here, everything sent before has been
    /// handled.
    /// </summary>
    public async Task<List<ReceivedFrame>> SettleAsync()
    {
        var mark = (ulong)Random.Shared.NextInt64();
        await SendPingAsync(mark);
        var before = new List<ReceivedFrame>();
        while (await ReadAsync() is { } frame)
        {
            if (frame.Type == FrameType.Ping && frame.Header.HasFlag(FrameFlags.Ack) && BinaryPrimitives.ReadUInt64BigEndian(frame.Payload) == mark)
            {
                return before;
            }

            before.Add(frame);
        }

        throw new InvalidOperationException($"the connection ended, it should have gone on; {Log()}");
    }

    /// <summary>Decodes a HEADERS frame; every one that comes must be, for the tables' sake.</summary>
    public List<(string Name, string Value)> Decode(ReceivedFrame frame)
    {
        var sink = new Sink([]);
        _decoder.Decode(FramePayload.HeaderBlock(frame.Header, frame.Payload), ref sink);
        return sink.Headers;
    }

    /// <summary>A header block.</summary>
    public byte[] Block(params (string Name, string Value)[] headers)
    {
        var buffer = new byte[HPackEncoder.MaxBlockOverhead + headers.Sum(header => header.Name.Length + header.Value.Length + HPackEncoder.MaxHeaderOverhead)];
        var written = Encoder.BeginBlock(buffer);
        foreach (var (name, value) in headers)
        {
            written += Encoder.WriteHeader(buffer.AsSpan(written), Encoding.Latin1.GetBytes(name), Encoding.Latin1.GetBytes(value), HeaderIndexing.Incremental);
        }

        return buffer[..written];
    }

    /// <summary>A frame's bytes.</summary>
    public static byte[] Frame(FrameType type, FrameFlags flags, int streamId, params byte[] payload)
    {
        var frame = new byte[FrameHeader.Size + payload.Length];
        new FrameHeader(payload.Length, type, flags, streamId).Write(frame);
        payload.CopyTo(frame, FrameHeader.Size);
        return frame;
    }

    /// <summary>Four bytes, the highest first.</summary>
    public static byte[] Number(uint value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return bytes;
    }

    public ValueTask DisposeAsync() => _stream.DisposeAsync();

    private string Log() => "received: " + (_log.Count == 0 ? "nothing" : string.Join(" | ", _log.TakeLast(20)));

    private readonly record struct Sink(List<(string Name, string Value)> Headers) : IHeaderSink
    {
        public void OnHeader(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value) =>
            Headers.Add((Encoding.Latin1.GetString(name), Encoding.Latin1.GetString(value)));
    }
}
