using System.Text;
using Ambient.Hbone.Http2.Framing;

namespace Ambient.Testing.Http2;

/// <summary>An endpoint of one HTTP/2 connection that takes requests without bodies, and answers, refuses or goes away as the test says. One caller at a time writes.</summary>
internal sealed class Http2Endpoint(Stream stream) : IAsyncDisposable
{
    private readonly RudePeer _peer = new(stream, isClient: false);

    /// <summary>Preface and SETTINGS.</summary>
    /// <param name="maxStreams">How many streams the client may have open; null: not said.</param>
    public async Task BeginAsync(int? maxStreams = null)
    {
        await _peer.ExpectPrefaceAsync();
        await _peer.SendSettingsAsync(maxStreams is { } most ? [(SettingId.MaxConcurrentStreams, (uint)most)] : []);
    }

    /// <summary>The stream of the next request; null: the client has ended the connection.</summary>
    public async Task<int?> NextAsync()
    {
        while (await _peer.ReadAsync() is { } frame)
        {
            if (frame.Type == FrameType.Headers)
            {
                return frame.StreamId;
            }

            // A client waits for no acknowledgement before its first request.
            if (frame.Type == FrameType.Settings && !frame.Header.HasFlag(FrameFlags.Ack))
            {
                await _peer.SendAsync(FrameType.Settings, FrameFlags.Ack, 0);
            }
        }

        return null;
    }

    /// <summary>200, with a body.</summary>
    public async Task AnswerAsync(int stream, string body)
    {
        await _peer.SendHeadersAsync(stream, endStream: false, (":status", "200"));
        await _peer.SendDataAsync(stream, Encoding.ASCII.GetBytes(body), endStream: true);
    }

    /// <summary>RST_STREAM: nothing of it was looked at.</summary>
    public Task RefuseAsync(int stream) => _peer.SendResetAsync(stream, Http2ErrorCode.RefusedStream);

    /// <summary>RST_STREAM: something went wrong.</summary>
    public Task FailAsync(int stream) => _peer.SendResetAsync(stream, Http2ErrorCode.InternalError);

    /// <summary>GOAWAY, in order.</summary>
    public Task GoAwayAsync(int last) => _peer.SendGoAwayAsync(last, Http2ErrorCode.NoError);

    public ValueTask DisposeAsync() => _peer.DisposeAsync();
}
