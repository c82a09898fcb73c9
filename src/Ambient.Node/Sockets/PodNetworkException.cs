namespace Ambient.Node.Sockets;

/// <summary>A pod's network cannot be opened or programmed; the message says what is missing.</summary>
public sealed class PodNetworkException : Exception
{
    /// <summary>Creates it with a message for the operator.</summary>
    public PodNetworkException(string message, Exception? cause = null)
        : base(message, cause)
    {
    }
}
