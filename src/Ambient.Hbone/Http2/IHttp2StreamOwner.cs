using Ambient.Hbone.Http2.Headers;

namespace Ambient.Hbone.Http2;

/// <summary>Who opened or serves a stream, beside the bytes in it.</summary>
internal interface IHttp2StreamOwner
{
    /// <summary>The response headers came (client). On the read loop.</summary>
    void OnResponse(in ConnectResponseHeaders headers);

    /// <summary>The stream ended before its time. From any thread.</summary>
    void OnFault(StreamFault fault);
}
