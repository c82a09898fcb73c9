namespace Ambient.Certificates;

/// <summary>A certificate authority cannot work or did not issue. The message names the file or the answer at fault.</summary>
public sealed class CertificateAuthorityException : Exception
{
    /// <summary>Creates the exception.</summary>
    public CertificateAuthorityException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
