using Ambient.Hbone.Http2.Headers;

namespace Ambient.Hbone.Http2;

/// <summary>Streams that are tunnels: each begins with a CONNECT (RFC 9113 section 8.5).</summary>
/// <param name="server">Answers a CONNECT; null on a client.</param>
/// <param name="headers">Reads their header blocks.</param>
internal sealed class TunnelStreams(IHttp2Server? server, ConnectHeaderReader headers) : IStreamUse
{
    /// <summary>A turn of the read loop has room for four.</summary>
    public const int Work = 512;

    private ConnectRequestHeaders _request;

    public int StreamWork => Work;

    public void ReadRequest(int streamId, ReadOnlySpan<byte> block, bool endStream) => _request = headers.ReadRequest(streamId, block);

    public void OnStream(Http2Stream stream)
    {
        var request = _request;
        _request = default;
        server!.OnConnect(stream, request);
    }

    public bool OnResponse(Http2Stream stream, ReadOnlySpan<byte> block, bool endStream)
    {
        var response = headers.ReadResponse(stream.Id, block);
        if (response.IsInformational)
        {
            stream.Connection.Guard.OnInterimResponse();
            return false;
        }

        stream.Answered = true;
        (stream.Owner as ITunnelOwner)?.OnResponse(response);
        return true;
    }

    /// <summary>Trailers mean nothing in a tunnel, but they may end it.</summary>
    public void OnTrailers(Http2Stream stream, ReadOnlySpan<byte> block) => headers.Skip(block);

    public void Skip(ReadOnlySpan<byte> block) => headers.Skip(block);

    public void OnRoomChanged()
    {
    }
}
