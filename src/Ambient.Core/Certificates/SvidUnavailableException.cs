namespace Ambient.Certificates;

/// <summary>No SVID can be had for an identity at present.</summary>
public sealed class SvidUnavailableException : Exception
{
    /// <summary>Creates the exception.</summary>
    public SvidUnavailableException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
