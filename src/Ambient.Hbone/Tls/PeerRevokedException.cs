namespace Ambient.Hbone.Tls;

/// <summary>A connection was cut off because the certificate that its peer showed has been revoked meanwhile.</summary>
public sealed class PeerRevokedException : IOException
{
    /// <summary>Creates the exception.</summary>
    public PeerRevokedException()
        : base("the peer's certificate has been revoked")
    {
    }

    /// <summary>Whether an exception is one, or was caused by one.</summary>
    public static bool IsCauseOf(Exception? exception)
    {
        for (; exception is not null; exception = exception.InnerException)
        {
            if (exception is PeerRevokedException)
            {
                return true;
            }
        }

        return false;
    }
}
