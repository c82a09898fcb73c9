namespace Ambient.Node.Requests.Upstreams;

/// <summary>
/// A connection to an endpoint could not be made: nothing of the request was sent, so trying elsewhere is safe.
/// </summary>
internal sealed class UpstreamConnectException : IOException
{
    /// <summary>Creates the exception.</summary>
    public UpstreamConnectException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>The one in an exception's chain, or null.</summary>
    public static UpstreamConnectException? In(Exception? exception)
    {
        for (var e = exception; e is not null; e = e.InnerException)
        {
            if (e is UpstreamConnectException found)
            {
                return found;
            }
        }

        return null;
    }
}
