using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Ambient.Node.Requests.Tokens;

/// <summary>
/// The machine's own roots, read when an issuer is asked over HTTPS and given up afterwards: a host that takes them from its process at the start
/// (<see cref="Certificates.MachineRoots"/>) saves their memory, and needs them for a moment every twenty minutes.
/// </summary>
internal static class SystemRoots
{
    // Where Debian, Fedora, SUSE and Alpine have them.
    private static readonly string[] s_files =
    [
        "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem",
    ];

    /// <summary>
    /// The file of roots: what the process was started with (<c>SSL_CERT_FILE</c>), else the system's. Null: there is none, and the platform's own
    /// store is asked.
    /// </summary>
    public static string? FindFile() =>
        !OperatingSystem.IsLinux() ? null
        : Environment.GetEnvironmentVariable("SSL_CERT_FILE") is { Length: > 0 } named ? named
        : Array.Find(s_files, File.Exists);

    /// <summary>How a server's chain is verified by the roots of a file.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="CryptographicException">It is no file of certificates.</exception>
    public static X509ChainPolicy Load(string file)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck, DisableCertificateDownloads = true };
        policy.CustomTrustStore.ImportFromPemFile(file);
        return policy;
    }
}
