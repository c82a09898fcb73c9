namespace Ambient.Hbone.Http1;

/// <summary>How a message of HTTP/1.1 says where its body ends (RFC 9112 section 6.3).</summary>
internal enum Http1BodyKind
{
    /// <summary>There is no body.</summary>
    None,

    /// <summary><c>Content-Length</c> says how many bytes there are.</summary>
    Length,

    /// <summary>It comes in chunks, the last of which is empty (section 7.1).</summary>
    Chunked,

    /// <summary>It ends with the connection, which only a response's may do.</summary>
    UntilClose,
}
