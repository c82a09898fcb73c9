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
    /// <param name="host">Host of the cluster.</param>
    /// <param name="rule">Who asks for TLS, for people.</param>
    public static ClusterSockets Read(Cluster wire, string host, string? rule)
    {
        var asked = (Host: host, By: rule is null ? $"cluster {wire.Name}" : $"DestinationRule {rule}");
        if (wire.TransportSocketMatches.Count == 0)
        {
            var all = wire.TransportSocket is null ? new ClusterSockets() : Read(wire.TransportSocket, asked, Deepest);
            return all.Sidecar is null ? all : all with { OfEndpoints = new EndpointSockets([], EndpointSocket.Sidecar) };
        }

        // Three ways, by what the endpoint is: a tunnel, a sidecar, or neither. This is the last one.
        var rest = wire.TransportSocketMatches.LastOrDefault(match => match.Match is null || match.Match.Fields.Count == 0);
        var plain = rest is null ? new ClusterSockets { Blocked = "sockets by kinds of endpoints, none of which is for all" } : Read(rest.TransportSocket, asked, Deepest);
        var sidecar = plain.Sidecar;
        var choices = ImmutableArray.CreateBuilder<(ImmutableArray<string>, EndpointSocket)>();
        foreach (var match in wire.TransportSocketMatches.Where(static match => match.Match?.Fields.Count > 0))
        {
            var read = Read(match.TransportSocket, asked, Deepest);

            // A cluster has one TLS for sidecars; one beside it is not known here.
            var isSidecar = read is { Sidecar: not null, Blocked: null, ProxyProtocol: null } && (sidecar is null || sidecar == read.Sidecar);
            sidecar = isSidecar ? read.Sidecar : sidecar;
            choices.Add((
                [.. match.Match.Fields.OrderBy(static field => field.Key, StringComparer.Ordinal).Select(static field => field.Value.KindCase == Value.KindOneofCase.StringValue ? $"{field.Key}={field.Value.StringValue}" : $"{field.Key} of another kind")],
                isSidecar ? EndpointSocket.Sidecar : read is { Tls: null, Sidecar: null, ProxyProtocol: null, Blocked: null } ? EndpointSocket.General : EndpointSocket.Unserved));
        }

        return plain with { Sidecar = sidecar, OfEndpoints = new EndpointSockets(choices.ToImmutable(), plain.Sidecar is null ? EndpointSocket.General : EndpointSocket.Sidecar) };
    }

    private static ClusterSockets Read(TransportSocket? socket, (string Host, string By) asked, int depth)
    {
        switch (socket?.TypedConfig?.TypeUrl)
        {
            case EnvoyTypes.RawBuffer:
                return new ClusterSockets();
            case EnvoyTypes.InternalUpstream when depth > 0:
                var upstream = Strict.Read(InternalUpstreamTransport.Parser, socket.TypedConfig.Value, out var isWholeUpstream);
                return isWholeUpstream ? Read(upstream.TransportSocket, asked, depth - 1) : new ClusterSockets { Blocked = $"{asked.By} asks for a socket with a field that is not known" };
            case EnvoyTypes.UpstreamTls:
                var (tls, sidecar, problem) = ClusterTlsReader.Read(socket, asked.Host, asked.By);
                return new ClusterSockets { Tls = tls, Sidecar = sidecar, Blocked = problem };
            case EnvoyTypes.ProxyProtocol when depth > 0:
                var proxy = Strict.Read(ProxyProtocolTransport.Parser, socket.TypedConfig.Value, out var isWhole);
                var inner = Read(proxy.TransportSocket, asked, depth - 1);
                return !isWhole || inner.ProxyProtocol is not null || inner.Sidecar is not null || proxy.Config?.Version is not (null or 0 or 1)
                    ? new ClusterSockets { Blocked = $"{asked.By} asks for a PROXY protocol that is not known" }
                    : inner with { ProxyProtocol = proxy.Config?.Version == 1 ? ProxyProtocolVersion.V2 : ProxyProtocolVersion.V1 };
            default:
                return new ClusterSockets { Blocked = $"{asked.By} asks for the socket {(socket is null ? "without a name" : EnvoyTypes.Short(socket.TypedConfig?.TypeUrl ?? socket.Name))}, which is not supported" };
        }
    }
}
