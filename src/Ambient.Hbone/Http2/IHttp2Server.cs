using Ambient.Hbone.Http2.Headers;

namespace Ambient.Hbone.Http2;

/// <summary>What a server connection asks about.</summary>
internal interface IHttp2Server
{
    /// <summary>A CONNECT came. On the read loop: must not block.</summary>
    void OnConnect(Http2Stream stream, in ConnectRequestHeaders headers);
}
