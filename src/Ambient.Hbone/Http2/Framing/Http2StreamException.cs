namespace Ambient.Hbone.Http2.Framing;

/// <summary>
/// One stream must end: RST_STREAM with <see cref="Code"/> (RFC 9113 section 5.4.2), preceded by an answer with
/// <see cref="StatusCode"/> when there is one. The connection goes on.
/// </summary>
internal sealed class Http2StreamException : IOException
{
    /// <param name="streamId">Stream.</param>
    /// <param name="code">Code of the RST_STREAM.</param>
    /// <param name="message">A sentence for the log.</param>
    /// <param name="statusCode">Status to answer with END_STREAM before the reset, or null for the reset alone.</param>
    public Http2StreamException(int streamId, Http2ErrorCode code, string message, int? statusCode = null)
        : base(message)
    {
        StreamId = streamId;
        Code = code;
        StatusCode = statusCode;
    }

    /// <summary>Stream.</summary>
    public int StreamId { get; }

    /// <summary>Code of the RST_STREAM.</summary>
    public Http2ErrorCode Code { get; }

    /// <summary>Status to answer with END_STREAM before the reset, or null for the reset alone.</summary>
    public int? StatusCode { get; }
}
