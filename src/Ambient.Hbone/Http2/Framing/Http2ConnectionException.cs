namespace Ambient.Hbone.Http2.Framing;

/// <summary>The whole connection must end: GOAWAY with <see cref="Code"/>, then close (RFC 9113 section 5.4.1).</summary>
internal sealed class Http2ConnectionException : IOException
{
    /// <param name="code">Code of the GOAWAY.</param>
    /// <param name="message">A sentence for the log and for the GOAWAY's debug data.</param>
    /// <param name="abuse">Which limit was passed, when the peer overdid something.</param>
    public Http2ConnectionException(Http2ErrorCode code, string message, Http2Abuse? abuse = null)
        : base(message)
    {
        Code = code;
        Abuse = abuse;
    }

    /// <summary>Code of the GOAWAY.</summary>
    public Http2ErrorCode Code { get; }

    /// <summary>Which limit was passed, or null when the fault is another.</summary>
    public Http2Abuse? Abuse { get; }
}
