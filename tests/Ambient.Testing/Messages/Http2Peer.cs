using System.Text;
using Ambient.Hbone.Http2.Framing;
using Ambient.Testing.Http2;

namespace Ambient.Testing.Messages;

/// <summary>A peer of HTTP/2 with prior knowledge. A client's messages are streams 1, 3 and so on; a server answers the stream that came last.</summary>
internal sealed class Http2Peer : MessagePeer
{
    private readonly RudePeer _peer;
    private int _stream;
    private bool _hasEnded;

    private Http2Peer(RudePeer peer, bool isClient)
    {
        _peer = peer;
        _stream = isClient ? -1 : 0;
    }

    /// <summary>Sends the preface, or waits for it, and SETTINGS.</summary>
    public static async Task<MessagePeer> BeginAsync(Stream stream, bool isClient)
    {
        var peer = new RudePeer(stream, isClient);
        await (isClient ? peer.SendRawAsync(Http2Constants.ClientPreface.ToArray()) : peer.ExpectPrefaceAsync());
        await peer.SendSettingsAsync();
        return new Http2Peer(peer, isClient);
    }

    public override Task SendHeadAsync(bool isWhole, params (string Name, string Value)[] fields)
    {
        if (fields[0].Name != ":method")
        {
            return _peer.SendHeadersAsync(_stream, isWhole, fields);
        }

        _stream += 2;
        return _peer.SendHeadersAsync(_stream, isWhole, [(":scheme", "http"), .. fields]);
    }

    public override Task SendAsync(string piece) => _peer.SendDataAsync(_stream, Encoding.Latin1.GetBytes(piece));

    public override Task EndAsync(params (string Name, string Value)[] trailers) =>
        trailers.Length > 0 ? _peer.SendHeadersAsync(_stream, endStream: true, trailers) : _peer.SendDataAsync(_stream, default, endStream: true);

    public override async Task<MessageStart> ReceiveHeadAsync()
    {
        var frame = await NextAsync();
        if (frame.Type != FrameType.Headers)
        {
            throw new InvalidOperationException($"{frame} where a head was expected");
        }

        _stream = frame.StreamId;
        _hasEnded = frame.EndStream;
        return new MessageStart(_peer.Decode(frame));
    }

    public override async Task<string> ReceiveAsync(int count)
    {
        var text = new StringBuilder();
        while (text.Length < count)
        {
            var frame = await NextAsync();
            if (frame.Type != FrameType.Data || (frame.EndStream && text.Length + frame.Payload.Length < count))
            {
                throw new InvalidOperationException($"{frame} where {count} bytes were expected, after {text}");
            }

            _hasEnded = frame.EndStream;
            text.Append(Encoding.Latin1.GetString(frame.Payload));
        }

        return text.ToString();
    }

    public override async Task<List<(string Name, string Value)>> ReceiveEndAsync()
    {
        if (_hasEnded)
        {
            return [];
        }

        var frame = await NextAsync();
        return frame switch
        {
            { EndStream: true, Type: FrameType.Headers } => _peer.Decode(frame),
            { EndStream: true, Payload: [] } => [],
            _ => throw new InvalidOperationException($"{frame} where the end was expected"),
        };
    }

    public override ValueTask DisposeAsync() => _peer.DisposeAsync();

    /// <summary>The next frame of a message.</summary>
    private async Task<ReceivedFrame> NextAsync()
    {
        while (true)
        {
            var frame = await _peer.ExpectAsync(static _ => true, "the next part of a message");
            switch (frame.Type)
            {
                case FrameType.Headers or FrameType.Data:
                    return frame;
                case FrameType.Settings when !frame.Header.HasFlag(FrameFlags.Ack):
                    await _peer.SendAsync(FrameType.Settings, FrameFlags.Ack, 0);
                    break;
                case FrameType.Ping when !frame.Header.HasFlag(FrameFlags.Ack):
                    await _peer.SendAsync(FrameType.Ping, FrameFlags.Ack, 0, frame.Payload);
                    break;
                case FrameType.RstStream or FrameType.GoAway:
                    throw new InvalidOperationException($"{frame} where a message was expected");
            }
        }
    }
}
