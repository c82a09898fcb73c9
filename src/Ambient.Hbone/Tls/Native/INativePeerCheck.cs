using System.Security.Cryptography.X509Certificates;

namespace Ambient.Hbone.Tls.Native;

/// <summary>Judges what a peer presents. Both answer one of <see cref="NativeVerifyError"/>, which decides about the alert, or 0.</summary>
internal interface INativePeerCheck
{
    /// <summary>Whether so many certificates are too many; asked before any is read.</summary>
    /// <param name="beside">Certificates beside the peer's own.</param>
    int LimitFault(int beside);

    /// <summary>Whether they are good.</summary>
    /// <param name="leaf">The peer's own.</param>
    /// <param name="presented">The others.</param>
    int Verify(X509Certificate2? leaf, X509Certificate2Collection presented);
}
