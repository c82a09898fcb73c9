using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;

namespace Ambient.Node.Discovery.Xds.Envoy.Clusters;

/// <summary>
/// What protects the bytes to a cluster. A socket that is not known is never taken for none: nothing is sent to the cluster then.
/// </summary>
internal static class ClusterSockets
{
    private const string SystemAuthorities = "file-root:system";
    private const int Deepest = 4;

    /// <summary>Reads it.</summary>
    /// <param name="wire">The cluster.</param>
    /// <param name="rule">Who asks for TLS, for people.</param>
    public static (ClusterTls? Tls, ProxyProtocolVersion? ProxyProtocol, string? Blocked) Read(Cluster wire, string? rule)
    {
        var askedBy = rule is null ? $"cluster {wire.Name}" : $"DestinationRule {rule}";

        // Three ways, by what the endpoint is: a tunnel, a sidecar, or neither. This is the last one.
        if (wire.TransportSocketMatches.Count > 0)
        {
            var plain = wire.TransportSocketMatches.LastOrDefault(match => match.Match is null || match.Match.Fields.Count == 0);
            return plain is null ? (null, null, "sockets by kinds of endpoints, none of which is for all") : Read(plain.TransportSocket, askedBy, Deepest);
        }

        return Read(wire.TransportSocket, askedBy, Deepest);
    }

    /// <summary>Which endpoints can be reached, by what they say of themselves: those for whom nothing is put around the bytes, for a tunnel is known without.</summary>
    public static EndpointSockets OfEndpoints(Cluster wire) => wire.TransportSocketMatches.Count == 0 ? EndpointSockets.None : new(
    [
        .. wire.TransportSocketMatches.Where(static match => match.Match?.Fields.Count > 0).Select(static match => (
            match.Match.Fields.Select(static field => field.Value.KindCase == Google.Protobuf.WellKnownTypes.Value.KindOneofCase.StringValue ? $"{field.Key}={field.Value.StringValue}" : $"{field.Key} of another kind").ToImmutableArray(),
            Read(match.TransportSocket, "", Deepest) is (null, null, null))),
    ]);

    private static (ClusterTls? Tls, ProxyProtocolVersion? ProxyProtocol, string? Blocked) Read(TransportSocket? socket, string askedBy, int depth)
    {
        if (socket is null)
        {
            return (null, null, null);
        }

        switch (socket.TypedConfig?.TypeUrl)
        {
            case EnvoyTypes.RawBuffer:
                return (null, null, null);
            case EnvoyTypes.InternalUpstream when depth > 0:
                return Read(InternalUpstreamTransport.Parser.ParseFrom(socket.TypedConfig.Value).TransportSocket, askedBy, depth - 1);
            case EnvoyTypes.UpstreamTls:
                var (tls, problem) = Tls(socket, askedBy);
                return (tls, null, problem);
            case EnvoyTypes.ProxyProtocol when depth > 0:
                var proxy = Strict.Read(ProxyProtocolTransport.Parser, socket.TypedConfig.Value, out var isWhole);
                var inner = Read(proxy.TransportSocket, askedBy, depth - 1);
                return !isWhole || inner.ProxyProtocol is not null || proxy.Config?.Version is not (null or 0 or 1)
                    ? (null, null, $"{askedBy} asks for a PROXY protocol that is not known")
                    : inner with { ProxyProtocol = proxy.Config?.Version == 1 ? ProxyProtocolVersion.V2 : ProxyProtocolVersion.V1 };
            default:
                return (null, null, $"{askedBy} asks for the socket {EnvoyTypes.Short(socket.TypedConfig?.TypeUrl ?? socket.Name)}, which is not supported");
        }
    }

    private static (ClusterTls? Tls, string? Blocked) Tls(TransportSocket socket, string askedBy)
    {
        var wire = Strict.Read(UpstreamTlsContext.Parser, socket.TypedConfig.Value, out var isWhole);
        var common = wire.CommonTlsContext;
        var combined = common?.CombinedValidationContext;
        var validation = common?.ValidationContext ?? combined?.DefaultValidationContext;
        var authorities = combined?.ValidationContextSdsSecretConfig?.Name;
        var names = validation?.MatchSubjectAltNames.Select(name => name.MatchPatternCase == StringMatcher.MatchPatternOneofCase.Exact ? name.Exact : null)
            .Concat(validation.MatchTypedSubjectAltNames.Select(name => name.Matcher?.MatchPatternCase == StringMatcher.MatchPatternOneofCase.Exact && name.SanType is SubjectAltNameMatcher.Types.SanType.Dns or SubjectAltNameMatcher.Types.SanType.Uri ? name.Matcher.Exact : null))
            .ToArray() ?? [];
        var problem = !isWhole ? "a field that is not known"
            : common is null || validation is null ? "no check of the endpoint's certificate"
            : common.TlsCertificateSdsSecretConfigs.Count > 0 ? "a certificate of the client's own, which is not supported"
            : validation.TrustChainVerification != CertificateValidationContext.Types.TrustChainVerification.VerifyTrustChain ? "certificates that nobody vouches for"
            : names.Contains(null) ? "a comparison of names that is not known"
            : authorities is null && validation.TrustedCa is null ? "authorities that are not named"
            : common.TlsParams?.TlsMinimumProtocolVersion is TlsParameters.Types.TlsProtocol.Tlsv13 ? "TLS 1.3 alone, while 1.2 is made as well"
            : common.TlsParams?.TlsMaximumProtocolVersion is TlsParameters.Types.TlsProtocol.Tlsv10 or TlsParameters.Types.TlsProtocol.Tlsv11 ? "TLS before 1.2"
            : wire.Sni.Length == 0 && names.Length == 0 ? "no name that the certificate must be for"
            : null;
        if (problem is not null)
        {
            return (null, $"{askedBy} asks for TLS with {problem}");
        }

        ImmutableArray<SubjectAltName> accepted = [.. names.Select(name => new SubjectAltName(name!.Contains("://", StringComparison.Ordinal), name))];
        return (new ClusterTls(
            new BackendTls { AskedBy = askedBy, ServerName = wire.Sni.Length > 0 ? wire.Sni : names[0]!, SubjectAltNames = accepted },
            authorities == SystemAuthorities ? null : authorities,
            validation!.TrustedCa is { } inline ? inline.InlineString.Length > 0 ? inline.InlineString : inline.InlineBytes.ToStringUtf8() : null), null);
    }
}
