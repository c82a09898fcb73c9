using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Discovery.Xds.Envoy.Secrets;
using Ambient.Node.Protos.Envoy;
using TrustChain = Ambient.Node.Protos.Envoy.CertificateValidationContext.Types.TrustChainVerification;

namespace Ambient.Node.Discovery.Xds.Envoy.Clusters;

/// <summary>
/// TLS to the endpoints of a cluster: whom they are asked for, whose certificates are taken, and which one they are shown. Certificates are secrets that istiod
/// sends, or files of the pod, which <c>file-cert:</c> and <c>file-root:</c> name.
/// </summary>
internal static class ClusterTlsReader
{
    private const string CertificateFile = "file-cert:";
    private const string AuthoritiesFile = "file-root:";
    private const string SystemAuthorities = "file-root:system";

    /// <summary>Reads it; null where it cannot be made, and why.</summary>
    /// <param name="socket">The socket that asks for it.</param>
    /// <param name="host">Host of the cluster, which endpoints are asked for where nothing else is said.</param>
    /// <param name="askedBy">Who asks for it, for people.</param>
    /// <returns>TLS to endpoints in general, or the mesh's own, to those that have a sidecar.</returns>
    public static (ClusterTls? Tls, BackendTls? Sidecar, string? Blocked) Read(TransportSocket socket, string host, string askedBy)
    {
        var wire = Strict.Read(UpstreamTlsContext.Parser, socket.TypedConfig.Value, out var isWhole);
        if (!isWhole || wire.CommonTlsContext is not { } common)
        {
            return Blocked("a field that is not known");
        }

        if (MeshSecrets.IsOwnCertificate(common) && common.CombinedValidationContext?.ValidationContextSdsSecretConfig?.Name == MeshSecrets.Roots)
        {
            return ReadSidecar(wire, common, askedBy);
        }

        var combined = common.CombinedValidationContext;
        var validation = common.ValidationContext ?? combined?.DefaultValidationContext;
        var authorities = combined?.ValidationContextSdsSecretConfig?.Name;
        var names = Names(validation);

        // Without authorities Envoy takes whatever certificate is shown: so a DestinationRule's insecureSkipVerify arrives.
        var skips = validation is not null && (validation.TrustChainVerification == TrustChain.AcceptUntrusted
            || (common.ValidationContext is { TrustedCa: null } && names.Length == 0));
        var problem = validation is null ? "no check of the endpoint's certificate"
            : validation.TrustChainVerification is not (TrustChain.VerifyTrustChain or TrustChain.AcceptUntrusted) ? "a check of certificates that is not known"
            : names.Contains(null) ? "a comparison of names that is not known"
            : !skips && authorities is null && validation.TrustedCa is null ? "authorities that are not named"
            : authorities is not null && !IsKnown(authorities, AuthoritiesFile) ? $"the authorities {authorities}, which the mesh's own certificates are for"
            : common.TlsParams?.TlsMinimumProtocolVersion is TlsParameters.Types.TlsProtocol.Tlsv13 ? "TLS 1.3 alone, while 1.2 is made as well"
            : common.TlsParams?.TlsMaximumProtocolVersion is TlsParameters.Types.TlsProtocol.Tlsv10 or TlsParameters.Types.TlsProtocol.Tlsv11 ? "TLS before 1.2"
            : common.TlsParams?.CipherSuites.Count > 0 ? "cipher suites of its own"
            : null;
        if (problem is not null)
        {
            return Blocked(problem);
        }

        string? certificate = null;
        string[] files = [];
        switch (common.TlsCertificateSdsSecretConfigs.Select(static secret => secret.Name).ToArray())
        {
            case []:
                break;
            case [var name] when name.StartsWith(CertificateFile, StringComparison.Ordinal):
                files = name[CertificateFile.Length..].Split('~');
                if (files is not [{ Length: > 0 }, { Length: > 0 }])
                {
                    return Blocked($"the certificate {name}, which names no file and its key");
                }

                break;
            case [var name] when EnvoySecret.IsFromControlPlane(name):
                certificate = name;
                break;
            case [var name]:
                return Blocked($"the certificate {name} of the proxy's own");
            default:
                return Blocked("several certificates of the client's own");
        }

        var file = authorities?.StartsWith(AuthoritiesFile, StringComparison.Ordinal) == true && authorities != SystemAuthorities ? authorities[AuthoritiesFile.Length..] : null;
        var tls = new BackendTls
        {
            AskedBy = askedBy,
            ServerName = wire.Sni.Length > 0 ? wire.Sni : skips ? "" : host,
            SubjectAltNames = skips ? [] : [.. names.Select(name => new SubjectAltName(name!.Contains("://", StringComparison.Ordinal), name))],
            Files = file is null && files.Length == 0 ? TlsFiles.None : new TlsFiles(file, files is [var own, ..] ? own : null, files is [_, var key] ? key : null),
            SkipsVerification = skips,
        };
        return (new ClusterTls(
            tls,
            skips || authorities is null || !EnvoySecret.IsFromControlPlane(authorities) ? null : authorities,
            validation!.TrustedCa is { } inline ? inline.InlineString.Length > 0 ? inline.InlineString : inline.InlineBytes.ToStringUtf8() : null,
            certificate), null, null);

        (ClusterTls? Tls, BackendTls? Sidecar, string? Blocked) Blocked(string what) => (null, null, $"{askedBy} asks for TLS with {what}");
    }

    /// <summary>The mesh's own TLS, to the sidecars of identities that are named.</summary>
    private static (ClusterTls? Tls, BackendTls? Sidecar, string? Blocked) ReadSidecar(UpstreamTlsContext wire, CommonTlsContext common, string askedBy)
    {
        var validation = common.CombinedValidationContext.DefaultValidationContext;
        var names = Names(validation);
        var problem = validation is null ? "no check of the endpoint's certificate"
            : validation.TrustChainVerification != TrustChain.VerifyTrustChain ? "certificates that nobody vouches for"
            : names.Length == 0 || !names.All(static name => Identity.SpiffeId.TryParse(name, out _)) ? "names that are no identities of the mesh"
            : common.TlsParams?.TlsMaximumProtocolVersion is TlsParameters.Types.TlsProtocol.Tlsv10 or TlsParameters.Types.TlsProtocol.Tlsv11 or TlsParameters.Types.TlsProtocol.Tlsv12 ? "TLS before 1.3 within the mesh"
            : null;
        return problem is not null ? (null, null, $"{askedBy} asks for TLS with {problem}") : (null, new BackendTls
        {
            AskedBy = askedBy,
            IsOfMesh = true,
            ServerName = wire.Sni,
            SubjectAltNames = [.. names.Select(static name => new SubjectAltName(true, name!))],
            Protocols = [.. common.AlpnProtocols.Where(static name => name != MeshSecrets.PeerExchange)],
        }, null);
    }

    private static bool IsKnown(string name, string filePrefix) =>
        EnvoySecret.IsFromControlPlane(name) || (name.StartsWith(filePrefix, StringComparison.Ordinal) && name.Length > filePrefix.Length);

    /// <summary>Names of which a certificate must have one, null for a comparison that is not known.</summary>
    private static string?[] Names(CertificateValidationContext? validation) => validation is null ? [] :
    [
        .. validation.MatchSubjectAltNames.Select(Exact),
        .. validation.MatchTypedSubjectAltNames.Select(name => name.SanType is SubjectAltNameMatcher.Types.SanType.Dns or SubjectAltNameMatcher.Types.SanType.Uri ? Exact(name.Matcher) : null),
    ];

    private static string? Exact(StringMatcher? matcher) => matcher is { MatchPatternCase: StringMatcher.MatchPatternOneofCase.Exact, Exact.Length: > 0 } ? matcher.Exact : null;
}
