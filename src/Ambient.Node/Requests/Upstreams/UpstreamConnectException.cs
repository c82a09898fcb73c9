namespace Ambient.Node.Requests.Upstreams;

/// <summary>
/// A connection to an endpoint could not be made: nothing of the request was sent, so trying elsewhere is safe.
/// </summary>
internal sealed class UpstreamConnectException : IOException
{
    /// <summary>Creates the exception.</summary>
    public UpstreamConnectException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
