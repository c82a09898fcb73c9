using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ambient.Identity;

namespace Ambient.Node.ControlPlane;

/// <summary>Decides whether a server is the control plane: its chain ends at one of the roots, and it has one of two names.</summary>
internal sealed class ControlPlaneTrust
{
    private readonly ControlPlaneOptions _options;
    private readonly TrustBundle? _roots;

    private ControlPlaneTrust(ControlPlaneOptions options, TrustBundle? roots)
    {
        _options = options;
        _roots = roots;
    }

    /// <summary>Why the last server was refused; null when it was not.</summary>
    public string? Refusal { get; private set; }

    /// <summary>Reads the roots as they are now.</summary>
    /// <exception cref="ControlPlaneException">They cannot be read; the message says where they were looked for.</exception>
    public static ControlPlaneTrust Load(ControlPlaneOptions options)
    {
        if (options.Roots == ControlPlaneOptions.SystemRoots)
        {
            return new ControlPlaneTrust(options, null);
        }

        try
        {
            return new ControlPlaneTrust(options, IsPem(options) ? TrustBundle.FromPem(options.Roots) : TrustBundle.Load(options.Roots));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException or CryptographicException)
        {
            throw new ControlPlaneException($"{options.Name}: no root certificates in {Where(options)}: {e.Message}", e);
        }
    }

    /// <summary>TLS options that verify the server.</summary>
    public SslClientAuthenticationOptions Tls() => new()
    {
        EnabledSslProtocols = System.Security.Authentication.SslProtocols.Tls13,
        CertificateChainPolicy = _roots is null ? null : PolicyOf(_roots),
        RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
        {
            Refusal = Judge(certificate as X509Certificate2, chain, errors);
            return Refusal is null;
        },
    };

    private static X509ChainPolicy PolicyOf(TrustBundle roots)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(roots.Roots.ToArray());
        return policy;
    }

    private string? Judge(X509Certificate2? server, X509Chain? chain, SslPolicyErrors errors)
    {
        if (server is null)
        {
            return "it presented no certificate";
        }

        if ((errors & SslPolicyErrors.RemoteCertificateChainErrors) != SslPolicyErrors.None)
        {
            var why = chain?.ChainStatus is [var first, ..] ? first.StatusInformation.Trim() : "unknown reason";
            return $"its certificate ({NameOf(server)}) does not lead to the roots of {Where(_options)}: {why}";
        }

        // The name that was dialled, or the other one that the operator gave.
        return (errors & SslPolicyErrors.RemoteCertificateNameMismatch) == SslPolicyErrors.None
            || (_options.AlternativeName is { } other && server.MatchesHostname(other, allowWildcards: true, allowCommonName: false))
            ? null
            : $"its certificate is for another name than {_options.Address.DnsSafeHost}{(_options.AlternativeName is null ? "" : $" or {_options.AlternativeName}")}";
    }

    /// <summary>What a certificate is for: its subject or, as istiod's has none, its alternative names.</summary>
    private static string NameOf(X509Certificate2 server)
    {
        const int Shown = 256;
        var name = server.Subject.Length > 0 ? server.Subject
            : server.Extensions.Select(static extension => extension as X509SubjectAlternativeNameExtension).OfType<X509SubjectAlternativeNameExtension>().FirstOrDefault()?.Format(false) is { Length: > 0 } names ? names
            : "without a name";
        return string.Concat((name.Length > Shown ? name[..Shown] + "..." : name).Select(static c => char.IsControl(c) ? '?' : c));
    }

    private static bool IsPem(ControlPlaneOptions options) => options.Roots.Contains("-----BEGIN", StringComparison.Ordinal);

    private static string Where(ControlPlaneOptions options) =>
        options.Roots == ControlPlaneOptions.SystemRoots ? "the machine" : IsPem(options) ? "the PEM text given" : options.Roots;
}
