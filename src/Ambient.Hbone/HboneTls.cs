using Ambient.Hbone.Tls;
using Ambient.Hbone.Tls.Native;

namespace Ambient.Hbone;

/// <summary>Which TLS tunnels are carried by.</summary>
public static class HboneTls
{
    /// <summary>
    /// Who does TLS in this process, in words for a log: OpenSSL, called directly, or <see cref="System.Net.Security.SslStream"/>, and with which version of OpenSSL.
    /// The variable <c>AMBIENT_TLS</c> decides when the process starts (docs/operations.md).
    /// </summary>
    public static string Description => TlsEngine.Default.Description;

    /// <summary>
    /// What an operator can do to have records encrypted faster; null when there is nothing. Whoever does TLS, the ciphers are OpenSSL's, and
    /// versions before 3.1 do not use the wide vectors of x86-64 processors.
    /// </summary>
    public static string? Advice { get; } =
        OpenSsl.Missing is null ? WideAesGcm.AdviceFor(OpenSsl.Number, OpenSsl.Version, WideAesGcm.IsInProcessor) : null;
}
