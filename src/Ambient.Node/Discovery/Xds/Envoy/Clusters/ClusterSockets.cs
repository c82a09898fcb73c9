using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf.WellKnownTypes;

namespace Ambient.Node.Discovery.Xds.Envoy.Clusters;

/// <summary>
/// What protects the bytes to a cluster. A socket that is not known is never taken for none: nothing is sent to the cluster then, or to those of its
/// endpoints whom the socket is for.
/// </summary>
internal sealed record ClusterSockets
{
    private const string SystemAuthorities = "file-root:system";
    private const int Deepest = 4;

    /// <summary>TLS that is made to endpoints; null: none is.</summary>
    public ClusterTls? Tls { get; private init; }

    /// <summary>The mesh's own TLS, to endpoints that have a sidecar; null: it is made to none.</summary>
    public BackendTls? Sidecar { get; private init; }

    /// <summary>The header of the PROXY protocol that endpoints are sent first; null: none.</summary>
    public ProxyProtocolVersion? ProxyProtocol { get; private init; }

    /// <summary>How each endpoint is spoken to, by what it says of itself; a tunnel is known without.</summary>
    public EndpointSockets OfEndpoints { get; private init; } = EndpointSockets.None;

    /// <summary>Why nothing may be sent to the cluster; null: it may.</summary>
    public string? Blocked { get; private init; }

    /// <summary>Reads it.</summary>
    /// <param name="wire">The cluster.</param>
    /// <param name="rule">Who asks for TLS, for people.</param>
    /// <param name="serverName">Server name where none is written; null: then nothing is sent.</param>
    public static ClusterSockets Read(Cluster wire, string? rule, string? serverName)
    {
        var askedBy = rule is null ? $"cluster {wire.Name}" : $"DestinationRule {rule}";
        if (wire.TransportSocketMatches.Count == 0)
        {
            var all = Read(wire.TransportSocket, askedBy, serverName, Deepest);
            return all.Sidecar is null ? all : all with { OfEndpoints = new EndpointSockets([], EndpointSocket.Sidecar) };
        }

        // Three ways, by what the endpoint is: a tunnel, a sidecar, or neither. This is the last one.
        var rest = wire.TransportSocketMatches.LastOrDefault(match => match.Match is null || match.Match.Fields.Count == 0);
        var plain = rest is null ? new ClusterSockets { Blocked = "sockets by kinds of endpoints, none of which is for all" } : Read(rest.TransportSocket, askedBy, serverName, Deepest);
        var sidecar = plain.Sidecar;
        var choices = ImmutableArray.CreateBuilder<(ImmutableArray<string>, EndpointSocket)>();
        foreach (var match in wire.TransportSocketMatches.Where(static match => match.Match?.Fields.Count > 0))
        {
            var read = Read(match.TransportSocket, askedBy, serverName, Deepest);

            // A cluster has one TLS for sidecars; one beside it is not known here.
            var isSidecar = read is { Sidecar: not null, Blocked: null, ProxyProtocol: null } && (sidecar is null || sidecar == read.Sidecar);
            sidecar = isSidecar ? read.Sidecar : sidecar;
            choices.Add((
                [.. match.Match.Fields.OrderBy(static field => field.Key, StringComparer.Ordinal).Select(static field => field.Value.KindCase == Value.KindOneofCase.StringValue ? $"{field.Key}={field.Value.StringValue}" : $"{field.Key} of another kind")],
                isSidecar ? EndpointSocket.Sidecar : read is { Tls: null, Sidecar: null, ProxyProtocol: null, Blocked: null } ? EndpointSocket.General : EndpointSocket.Unserved));
        }

        return plain with { Sidecar = sidecar, OfEndpoints = new EndpointSockets(choices.ToImmutable(), plain.Sidecar is null ? EndpointSocket.General : EndpointSocket.Sidecar) };
    }

    private static ClusterSockets Read(TransportSocket? socket, string askedBy, string? serverName, int depth)
    {
        if (socket is null)
        {
            return new ClusterSockets();
        }

        switch (socket.TypedConfig?.TypeUrl)
        {
            case EnvoyTypes.RawBuffer:
                return new ClusterSockets();
            case EnvoyTypes.InternalUpstream when depth > 0:
                return Read(InternalUpstreamTransport.Parser.ParseFrom(socket.TypedConfig.Value).TransportSocket, askedBy, serverName, depth - 1);
            case EnvoyTypes.UpstreamTls:
                return ReadTls(socket, askedBy, serverName);
            case EnvoyTypes.ProxyProtocol when depth > 0:
                var proxy = Strict.Read(ProxyProtocolTransport.Parser, socket.TypedConfig.Value, out var isWhole);
                var inner = Read(proxy.TransportSocket, askedBy, serverName, depth - 1);
                return !isWhole || inner.ProxyProtocol is not null || inner.Sidecar is not null || proxy.Config?.Version is not (null or 0 or 1)
                    ? new ClusterSockets { Blocked = $"{askedBy} asks for a PROXY protocol that is not known" }
                    : inner with { ProxyProtocol = proxy.Config?.Version == 1 ? ProxyProtocolVersion.V2 : ProxyProtocolVersion.V1 };
            default:
                return new ClusterSockets { Blocked = $"{askedBy} asks for the socket {EnvoyTypes.Short(socket.TypedConfig?.TypeUrl ?? socket.Name)}, which is not supported" };
        }
    }

    private static ClusterSockets ReadTls(TransportSocket socket, string askedBy, string? serverName)
    {
        var wire = Strict.Read(UpstreamTlsContext.Parser, socket.TypedConfig.Value, out var isWhole);
        var common = wire.CommonTlsContext;
        var combined = common?.CombinedValidationContext;
        var validation = common?.ValidationContext ?? combined?.DefaultValidationContext;
        var authorities = combined?.ValidationContextSdsSecretConfig?.Name;
        var isOfMesh = MeshSecrets.IsOwnCertificate(common) && authorities == MeshSecrets.Roots;
        var names = validation?.MatchSubjectAltNames.Select(name => name.MatchPatternCase == StringMatcher.MatchPatternOneofCase.Exact ? name.Exact : null)
            .Concat(validation.MatchTypedSubjectAltNames.Select(name => name.Matcher?.MatchPatternCase == StringMatcher.MatchPatternOneofCase.Exact && name.SanType is SubjectAltNameMatcher.Types.SanType.Dns or SubjectAltNameMatcher.Types.SanType.Uri ? name.Matcher.Exact : null))
            .ToArray() ?? [];
        var problem = !isWhole ? "a field that is not known"
            : common is null || validation is null ? "no check of the endpoint's certificate"
            : common.TlsCertificateSdsSecretConfigs.Count > 0 && !isOfMesh ? "a certificate of the client's own, which is not supported"
            : validation.TrustChainVerification != CertificateValidationContext.Types.TrustChainVerification.VerifyTrustChain ? "certificates that nobody vouches for"
            : names.Contains(null) ? "a comparison of names that is not known"
            : authorities is null && validation.TrustedCa is null ? "authorities that are not named"
            : common.TlsParams?.TlsMinimumProtocolVersion is TlsParameters.Types.TlsProtocol.Tlsv13 && !isOfMesh ? "TLS 1.3 alone, while 1.2 is made as well"
            : common.TlsParams?.TlsMaximumProtocolVersion is TlsParameters.Types.TlsProtocol.Tlsv10 or TlsParameters.Types.TlsProtocol.Tlsv11 ? "TLS before 1.2"
            : common.TlsParams?.TlsMaximumProtocolVersion is TlsParameters.Types.TlsProtocol.Tlsv12 && isOfMesh ? "TLS before 1.3 within the mesh"
            : isOfMesh && (names.Length == 0 || !names.All(static name => Identity.SpiffeId.TryParse(name, out _))) ? "names that are no identities of the mesh"
            : wire.Sni.Length == 0 && names.Length == 0 && serverName is null ? "no name that the certificate must be for"
            : null;
        if (problem is not null)
        {
            return new ClusterSockets { Blocked = $"{askedBy} asks for TLS with {problem}" };
        }

        ImmutableArray<SubjectAltName> accepted = [.. names.Select(name => new SubjectAltName(name!.Contains("://", StringComparison.Ordinal), name))];
        var tls = new BackendTls { AskedBy = askedBy, ServerName = wire.Sni.Length > 0 ? wire.Sni : serverName ?? names[0]!, SubjectAltNames = accepted };
        return isOfMesh
            ? new ClusterSockets { Sidecar = tls with { IsOfMesh = true, ServerName = wire.Sni, Protocols = [.. common!.AlpnProtocols.Where(static name => name != MeshSecrets.PeerExchange)] } }
            : new ClusterSockets
            {
                Tls = new ClusterTls(
                    tls,
                    authorities == SystemAuthorities ? null : authorities,
                    validation!.TrustedCa is { } inline ? inline.InlineString.Length > 0 ? inline.InlineString : inline.InlineBytes.ToStringUtf8() : null),
            };
    }
}
