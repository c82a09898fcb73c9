using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;

namespace Ambient.Node.Discovery.Xds.Envoy.Listeners;

/// <summary>TLS of clients that a chain ends.</summary>
internal static class ChainSockets
{
    /// <summary>Reads it; null where it cannot be served, and why.</summary>
    public static ChainTls? Read(TransportSocket socket, out string? problem)
    {
        if (socket.TypedConfig?.TypeUrl != EnvoyTypes.DownstreamTls)
        {
            problem = $"the socket {EnvoyTypes.Short(socket.TypedConfig?.TypeUrl ?? socket.Name)}";
            return null;
        }

        var wire = Strict.Read(DownstreamTlsContext.Parser, socket.TypedConfig.Value, out var isWhole);
        var common = wire.CommonTlsContext;
        var combined = common?.CombinedValidationContext;
        var context = combined?.DefaultValidationContext;
        var names = context?.MatchTypedSubjectAltNames.Select(name => Exact(name.Matcher)).Concat(context.MatchSubjectAltNames.Select(Exact)).ToArray() ?? [];
        problem = !isWhole ? "a field of TLS that is not known"
            : common is null || common.TlsCertificateSdsSecretConfigs.Count == 0 ? "TLS without a certificate by name"
            : common.ValidationContext is not null ? "authorities of clients that do not come by name"
            : common.TlsParams?.TlsMaximumProtocolVersion is TlsParameters.Types.TlsProtocol.Tlsv10 or TlsParameters.Types.TlsProtocol.Tlsv11 ? "TLS before 1.2 alone"
            : common.TlsParams is { } versions && (versions.TlsMinimumProtocolVersion > TlsParameters.Types.TlsProtocol.Tlsv13 || versions.TlsMaximumProtocolVersion > TlsParameters.Types.TlsProtocol.Tlsv13
                || (RequiresTls13(versions) && ForbidsTls13(versions))) ? "versions of TLS that are not known"
            : names.Contains(null) ? "names of clients' certificates that are compared in a way that is not known"
            : wire.RequireClientCertificate == true && combined?.ValidationContextSdsSecretConfig is null ? "clients' certificates without authorities"
            : null;
        return problem is not null ? null : new ChainTls(
            [.. common!.TlsCertificateSdsSecretConfigs.Select(secret => secret.Name)],
            combined?.ValidationContextSdsSecretConfig?.Name,
            wire.RequireClientCertificate ?? false,
            combined?.DefaultValidationContext?.TrustChainVerification == CertificateValidationContext.Types.TrustChainVerification.AcceptUntrusted)
        {
            ClientNames = [.. names.OfType<string>()],
            RequiresTls13 = common.TlsParams is { } least && RequiresTls13(least),
            ForbidsTls13 = common.TlsParams is { } most && ForbidsTls13(most),
            NamesCipherSuites = common.TlsParams?.CipherSuites.Count > 0,
        };
    }

    private static bool RequiresTls13(TlsParameters wire) => wire.TlsMinimumProtocolVersion == TlsParameters.Types.TlsProtocol.Tlsv13;

    private static bool ForbidsTls13(TlsParameters wire) => wire.TlsMaximumProtocolVersion == TlsParameters.Types.TlsProtocol.Tlsv12;

    private static string? Exact(StringMatcher? matcher) => matcher?.MatchPatternCase == StringMatcher.MatchPatternOneofCase.Exact && !matcher.IgnoreCase ? matcher.Exact : null;
}
