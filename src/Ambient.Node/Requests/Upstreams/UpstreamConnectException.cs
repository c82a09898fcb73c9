using System.Net.Sockets;

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

    /// <summary>Whether nobody tried: there are as many connections as there may be, and none became free in time.</summary>
    public bool IsForRoom { get; init; }

    /// <summary>Whether it is for want of something of ours, whatever the endpoint does: a place, a descriptor, memory, a port.</summary>
    public bool IsOurs
    {
        get
        {
            var isOurs = IsForRoom;
            for (var cause = InnerException; cause is not null && !isOurs; cause = cause.InnerException)
            {
                isOurs = cause is SocketException { SocketErrorCode: SocketError.TooManyOpenSockets or SocketError.NoBufferSpaceAvailable or SocketError.AddressNotAvailable };
            }

            return isOurs;
        }
    }
}
