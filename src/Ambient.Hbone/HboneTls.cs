using Ambient.Hbone.Tls;

namespace Ambient.Hbone;

/// <summary>Which TLS tunnels are carried by.</summary>
public static class HboneTls
{
    /// <summary>
    /// Who does TLS in this process, in words for a log: OpenSSL with its version, called directly, or <see cref="System.Net.Security.SslStream"/>.
    /// The variable <c>AMBIENT_TLS</c> decides when the process starts (docs/operations.md).
    /// </summary>
    public static string Description => TlsEngine.Default.Description;
}
