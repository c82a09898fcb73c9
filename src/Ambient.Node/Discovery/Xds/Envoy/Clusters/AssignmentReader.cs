using System.Collections.Immutable;
using System.Net;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Ambient.Node.Discovery.Xds.Envoy.Clusters;

/// <summary>Reads the endpoints of a cluster. One that cannot be reached from here is left out, and named.</summary>
internal static class AssignmentReader
{
    private const string Tunnel = "connect_originate";
    private const string SocketMatch = "envoy.transport_socket_match";
    private const string OriginalDestination = "envoy.filters.listener.original_dst";

    /// <summary>Reads an assignment.</summary>
    /// <exception cref="InvalidProtocolBufferException">The bytes are none.</exception>
    public static EnvoyAssignment Read(ByteString bytes, Problems problems) => Read(ClusterLoadAssignment.Parser.ParseFrom(bytes), problems);

    /// <summary>Reads an assignment.</summary>
    public static EnvoyAssignment Read(ClusterLoadAssignment wire, Problems problems)
    {
        var endpoints = ImmutableArray.CreateBuilder<EnvoyEndpoint>();
        var waypoints = ImmutableArray.CreateBuilder<(IPEndPoint, IPAddress)>();
        foreach (var locality in wire.Endpoints)
        {
            var place = locality.Locality is { } at ? new Mesh.Locality(at.Region, at.Zone, at.SubZone) : Mesh.Locality.Empty;
            foreach (var endpoint in locality.LbEndpoints)
            {
                if (WaypointOf(endpoint) is { } through)
                {
                    waypoints.Add(through);
                    continue;
                }

                if (AddressOf(endpoint, out var byTunnel, out var host, out var problem) is not { } address)
                {
                    problems.Add($"endpoints of {wire.ClusterName}", problem!);
                    continue;
                }

                endpoints.Add(new EnvoyEndpoint(
                    address.Address,
                    address.Port,
                    byTunnel,
                    endpoint.HealthStatus is HealthStatus.Unknown or HealthStatus.Healthy or HealthStatus.Degraded,
                    endpoint.LoadBalancingWeight ?? 1,
                    (int)Math.Min(locality.Priority, 128),
                    place,
                    Text(endpoint.Metadata, "istio", "workload"),
                    host)
                {
                    SocketLabels = SocketLabels(endpoint.Metadata),
                });
            }
        }

        return new EnvoyAssignment(wire.ClusterName, endpoints.ToImmutable()) { Shares = SharesOf(wire), Waypoints = waypoints.ToImmutable() };
    }

    /// <summary>
    /// Shares of localities, as a DestinationRule distributes them. istiod gives every locality the weight of its endpoints together, but for those.
    /// </summary>
    private static ImmutableArray<Mesh.LocalityShare> SharesOf(ClusterLoadAssignment wire)
    {
        var weighed = wire.Endpoints.Where(static locality => locality.LoadBalancingWeight is > 0).ToArray();
        return weighed.All(static locality => locality.LoadBalancingWeight == locality.LbEndpoints.Aggregate(0UL, static (sum, endpoint) => sum + (endpoint.LoadBalancingWeight ?? 1)))
            ? []
            : [.. weighed.Select(static locality => new Mesh.LocalityShare($"{locality.Locality?.Region}/{locality.Locality?.Zone}/{locality.Locality?.SubZone}", (int)Math.Min(locality.LoadBalancingWeight!.Value, int.MaxValue)))];
    }

    /// <summary>The service's address and its waypoint's, where a tunnel is to lead through it; null: it does not.</summary>
    private static (IPEndPoint, IPAddress)? WaypointOf(LbEndpoint wire) =>
        wire.Endpoint?.Address?.EnvoyInternalAddress is { ServerListenerName: Tunnel }
        && IPEndPoint.TryParse(Text(wire.Metadata, OriginalDestination, "waypoint"), out var waypoint) && IPEndPoint.TryParse(Text(wire.Metadata, OriginalDestination, "local"), out var service)
            ? (service, waypoint.Address)
            : null;

    private static IPEndPoint? AddressOf(LbEndpoint wire, out bool byTunnel, out string host, out string? problem)
    {
        byTunnel = false;
        host = "";
        problem = null;
        switch (wire.Endpoint?.Address?.AddressCase)
        {
            case Address.AddressOneofCase.SocketAddress when wire.Endpoint.Address.SocketAddress is { PortValue: > 0 and <= 65535 } socket:
                if (IPAddress.TryParse(socket.Address, out var address))
                {
                    return new IPEndPoint(address, (int)socket.PortValue);
                }

                if (Uri.CheckHostName(socket.Address) == UriHostNameType.Dns)
                {
                    host = socket.Address;
                    return new IPEndPoint(IPAddress.None, (int)socket.PortValue);
                }

                problem = $"{socket.Address} is neither an address nor a name";
                return null;
            case Address.AddressOneofCase.EnvoyInternalAddress when wire.Endpoint.Address.EnvoyInternalAddress is { ServerListenerName: Tunnel } inner:
                // Where the tunnel leads its metadata says, and the identifier beside it the same.
                var local = Text(wire.Metadata, OriginalDestination, "local");
                if (Text(wire.Metadata, OriginalDestination, "waypoint").Length > 0)
                {
                    problem = $"{local} is behind a waypoint of its own";
                    return null;
                }

                if (IPEndPoint.TryParse(local.Length > 0 ? local : inner.EndpointId, out var target) && target.Port > 0)
                {
                    byTunnel = true;
                    return target;
                }

                problem = $"the tunnel to {inner.EndpointId} leads to no address";
                return null;
            default:
                problem = wire.Endpoint?.Address?.EnvoyInternalAddress is { } other
                    ? $"{other.EndpointId} is reached through {other.ServerListenerName}, which is not supported"
                    : "an address that is not known";
                return null;
        }
    }

    private static string SocketLabels(Metadata? metadata) => metadata is not null && metadata.FilterMetadata.TryGetValue(SocketMatch, out var labels)
        ? string.Join('\n', labels.Fields.Where(static field => field.Value.KindCase == Value.KindOneofCase.StringValue).Select(static field => $"{field.Key}={field.Value.StringValue}").Order(StringComparer.Ordinal))
        : "";

    private static string Text(Metadata? metadata, string filter, string field) =>
        metadata is not null && metadata.FilterMetadata.TryGetValue(filter, out var values) && values.Fields.TryGetValue(field, out var value)
        && value.KindCase == Value.KindOneofCase.StringValue ? value.StringValue : "";
}
