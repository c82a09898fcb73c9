namespace Ambient.Hbone.Connect;

/// <summary>Why a tunnel could not be opened.</summary>
public enum HboneFailure
{
    /// <summary>The TCP connection was not made in time: often a NetworkPolicy that blocks the port.</summary>
    ConnectTimeout,

    /// <summary>The TCP connection was refused or failed.</summary>
    ConnectFailed,

    /// <summary>No certificate could be had for the source identity.</summary>
    IdentityUnavailable,

    /// <summary>The TLS handshake failed, or the peer is not who was expected.</summary>
    TlsFailed,

    /// <summary>The HTTP/2 connection or stream failed before an answer.</summary>
    Http2Failed,

    /// <summary>The peer answered with another status than 200.</summary>
    Refused,
}

/// <summary>A tunnel could not be opened.</summary>
public sealed class HboneException : IOException
{
    /// <summary>Creates the exception.</summary>
    public HboneException(HboneFailure failure, string message, Exception? innerException = null, int? statusCode = null)
        : base(message, innerException)
    {
        Failure = failure;
        StatusCode = statusCode;
    }

    /// <summary>What failed.</summary>
    public HboneFailure Failure { get; }

    /// <summary>The peer's status when <see cref="Failure"/> is <see cref="HboneFailure.Refused"/>.</summary>
    public int? StatusCode { get; }
}
