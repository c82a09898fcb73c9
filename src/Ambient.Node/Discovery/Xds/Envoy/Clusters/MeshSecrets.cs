using System.Collections.Immutable;
using Ambient.Identity;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;

namespace Ambient.Node.Discovery.Xds.Envoy.Clusters;

/// <summary>What of TLS is the mesh's own: a proxy has its certificate and the mesh's roots from its own authority, and istiod only names them.</summary>
internal static class MeshSecrets
{
    /// <summary>Name of the proxy's own certificate.</summary>
    public const string Certificate = "default";

    /// <summary>Name of the mesh's roots.</summary>
    public const string Roots = "ROOTCA";

    /// <summary>The protocol by which sidecars tell each other who they are before the first byte: nobody says so here, so it is not offered.</summary>
    public const string PeerExchange = "istio-peer-exchange";

    private const string Scheme = "spiffe://";

    /// <summary>Whether the certificate that is shown is the proxy's own.</summary>
    public static bool IsOwnCertificate(CommonTlsContext? common) => common?.TlsCertificateSdsSecretConfigs is [{ Name: Certificate }];

    /// <summary>Trust domains in the beginnings that identities must have: <c>spiffe://domain/</c>.</summary>
    public static IEnumerable<string> TrustDomains(CommonTlsContext? common) =>
        common?.CombinedValidationContext?.DefaultValidationContext?.MatchTypedSubjectAltNames.Select(name => name.Matcher?.Prefix ?? "")
            .Where(prefix => prefix.StartsWith(Scheme, StringComparison.Ordinal) && prefix.IndexOf('/', Scheme.Length) == prefix.Length - 1)
            .Select(prefix => prefix[Scheme.Length..^1]) ?? [];

    /// <summary>
    /// Whose members may be the gateway of another network, or serve behind it, as the cluster of Envoy's own that makes such a tunnel says; null: it is none.
    /// </summary>
    public static ImmutableArray<TrustDomain>? OfNetworkTunnel(string name, ReadOnlySpan<byte> bytes, Problems problems)
    {
        if (name is not ("inner_connect_originate" or "outer_connect_originate"))
        {
            return null;
        }

        var wire = Cluster.Parser.ParseFrom(bytes);
        var socket = wire.TransportSocket;
        if (socket?.TypedConfig?.TypeUrl == EnvoyTypes.InternalUpstream)
        {
            socket = InternalUpstreamTransport.Parser.ParseFrom(socket.TypedConfig.Value).TransportSocket;
        }

        var common = socket?.TypedConfig?.TypeUrl == EnvoyTypes.UpstreamTls ? UpstreamTlsContext.Parser.ParseFrom(socket.TypedConfig.Value).CommonTlsContext : null;
        ImmutableArray<TrustDomain> domains = [.. TrustDomains(common).Select(static name => TrustDomain.TryParse(name, out var domain) ? domain : default).Where(static domain => domain != default).Distinct()];
        if (domains.IsEmpty)
        {
            problems.Add($"cluster {wire.Name}", "whom tunnels to other networks may lead to is not said: they lead to nobody");
        }

        return domains;
    }
}
