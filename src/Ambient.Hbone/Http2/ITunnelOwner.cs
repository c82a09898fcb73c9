using Ambient.Hbone.Http2.Headers;

namespace Ambient.Hbone.Http2;

/// <summary>Who opened a tunnel, beside the bytes in it.</summary>
internal interface ITunnelOwner : IHttp2StreamOwner
{
    /// <summary>The answer to the CONNECT came. On the read loop.</summary>
    void OnResponse(in ConnectResponseHeaders headers);
}
