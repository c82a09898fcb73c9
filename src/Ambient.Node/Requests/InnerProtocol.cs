namespace Ambient.Node.Requests;

/// <summary>What is spoken inside a tunnel.</summary>
internal enum InnerProtocol
{
    /// <summary>HTTP/1.x.</summary>
    Http1,

    /// <summary>HTTP/2 with prior knowledge.</summary>
    Http2,

    /// <summary>Something else.</summary>
    Opaque,

    /// <summary>Nothing: the client closed before it sent a byte.</summary>
    Closed,
}
