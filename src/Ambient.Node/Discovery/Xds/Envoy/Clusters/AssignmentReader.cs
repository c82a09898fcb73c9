using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Discovery.Xds.Workloads;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Ambient.Node.Discovery.Xds.Envoy.Clusters;

/// <summary>Reads the endpoints of a cluster. One that cannot be reached from here is left out, and named.</summary>
internal static class AssignmentReader
{
    /// <summary>The listener of Envoy's own that tunnels to pods go through.</summary>
    public const string Tunnel = "connect_originate";

    /// <summary>Where metadata says which socket an endpoint wants.</summary>
    public const string SocketMatch = "envoy.transport_socket_match";

    /// <summary>Where metadata says where a tunnel leads.</summary>
    public const string OriginalDestination = "envoy.filters.listener.original_dst";

    /// <summary>The priority of all that are lower still.</summary>
    public const int LowestPriority = 128;

    private const string NetworkTunnel = "inner_connect_originate";

    /// <summary>Reads an assignment.</summary>
    /// <param name="bytes">Its bytes.</param>
    /// <param name="before">What came under its name before, whose parts are used again; null: nothing.</param>
    /// <param name="problems">Takes what is not understood.</param>
    /// <exception cref="InvalidProtocolBufferException">The bytes are none.</exception>
    /// <exception cref="InvalidDataException">What an endpoint says of itself is of a wrong type.</exception>
    public static EnvoyAssignment Read(ReadOnlySpan<byte> bytes, EnvoyAssignment? before, Problems problems) => PlainAssignmentReader.Read(bytes, before) ?? ReadAny(bytes, problems);

    /// <summary>Reads an assignment of any shape.</summary>
    /// <exception cref="InvalidProtocolBufferException">The bytes are none.</exception>
    /// <exception cref="InvalidDataException">What an endpoint says of itself is of a wrong type.</exception>
    internal static EnvoyAssignment ReadAny(ReadOnlySpan<byte> bytes, Problems problems)
    {
        var known = Strict.Read(ClusterLoadAssignment.Parser, bytes, out var isWhole);
        if (isWhole)
        {
            return Read(known, problems);
        }

        // A field that is new says nothing of how an endpoint must be reached, as it would be told otherwise. But that must be what it says.
        var wire = ClusterLoadAssignment.Parser.ParseFrom(bytes);
        return wire.CalculateSize() == bytes.Length && wire.Endpoints.SelectMany(static locality => locality.LbEndpoints).All(IsAsItSays)
            ? Read(wire, problems)
            : throw new InvalidDataException("an endpoint has a field of a wrong type");
    }

    /// <summary>Reads an assignment.</summary>
    public static EnvoyAssignment Read(ClusterLoadAssignment wire, Problems problems)
    {
        problems.NoteIf(wire.Policy?.DropOverloads.Count > 0, $"endpoints of {wire.ClusterName}", "a part of the requests that is to be dropped");
        problems.NoteIf(wire.Policy?.WeightedPriorityHealth == true, $"endpoints of {wire.ClusterName}", "health of a priority by the weights of endpoints; it is by their number");
        var endpoints = ImmutableArray.CreateBuilder<EnvoyEndpoint>(wire.Endpoints.Sum(static locality => locality.LbEndpoints.Count));

        // One instance for all that say the same.
        var labels = "";
        foreach (var locality in wire.Endpoints)
        {
            var place = locality.Locality is { } at ? new Mesh.Locality(at.Region, at.Zone, at.SubZone) : Mesh.Locality.Empty;
            foreach (var endpoint in locality.LbEndpoints)
            {
                if (AddressOf(endpoint, out var byTunnel, out var host, out var hop, out var problem) is not { } address)
                {
                    problems.Add($"endpoints of {wire.ClusterName}", problem!);
                    continue;
                }

                endpoints.Add(new EnvoyEndpoint(
                    address.Address,
                    address.Port,
                    byTunnel,
                    IsHealthy(endpoint.HealthStatus),
                    endpoint.LoadBalancingWeight ?? 1,
                    (int)Math.Min(locality.Priority, LowestPriority),
                    place,
                    Text(endpoint.Metadata, "istio", "workload"),
                    host)
                {
                    Assignment = wire.ClusterName,
                    SocketLabels = labels = Either(labels, SocketLabels(endpoint.Metadata)),
                    Hop = hop,
                    LocalityWeight = locality.LoadBalancingWeight ?? 0,
                });
            }
        }

        return new EnvoyAssignment(wire.ClusterName, endpoints.ToImmutable())
        {
            Overprovisioning = (int)Math.Min(wire.Policy?.OverprovisioningFactor is > 0 and var factor ? factor : AssignedEndpoints.UsualOverprovisioning, 1_000_000),
        };
    }

    /// <summary>Whether an endpoint may receive anything.</summary>
    public static bool IsHealthy(HealthStatus status) => status is HealthStatus.Unknown or HealthStatus.Healthy or HealthStatus.Degraded;

    private static IPEndPoint? AddressOf(LbEndpoint wire, out bool byTunnel, out string host, out EndpointHop? hop, out string? problem)
    {
        byTunnel = false;
        host = "";
        hop = null;
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
            case Address.AddressOneofCase.EnvoyInternalAddress when wire.Endpoint.Address.EnvoyInternalAddress is { ServerListenerName: Tunnel or NetworkTunnel } inner:
                // Where the tunnel leads its metadata says, and the identifier beside it the same.
                var local = Text(wire.Metadata, OriginalDestination, "local");
                if (!TryAddress(local.Length > 0 ? local : inner.EndpointId, out var target))
                {
                    problem = $"the tunnel to \"{inner.EndpointId}\" needs an IP address and port";
                    return null;
                }

                byTunnel = true;
                (hop, problem) = HopOf(wire.Metadata, target, isNetwork: inner.ServerListenerName == NetworkTunnel);
                return problem is null ? target : null;
            default:
                problem = wire.Endpoint?.Address?.EnvoyInternalAddress is { } other
                    ? $"{other.EndpointId} is reached through {other.ServerListenerName}, which is not supported"
                    : "an address that is not known";
                return null;
        }
    }

    /// <summary>What stands between, and why that cannot be used.</summary>
    private static (EndpointHop? Hop, string? Problem) HopOf(Metadata? metadata, IPEndPoint target, bool isNetwork)
    {
        var waypoint = Text(metadata, OriginalDestination, "waypoint");
        if (isNetwork)
        {
            return Text(metadata, "istio", "double_hbone", "hbone_target_address") is { Length: > 0 } asked
                ? (new EndpointHop(target, asked), null)
                : (null, $"the gateway {target} leads to another network, and what to ask it for is not said");
        }

        return waypoint.Length == 0 ? (null, null)
            : TryAddress(waypoint, out var through) ? (new EndpointHop(through, null), null)
            : (null, $"{target} is behind a waypoint at \"{waypoint}\", which is not an IP address and port");
    }

    private static bool TryAddress(string text, [NotNullWhen(true)] out IPEndPoint? address) => IPEndPoint.TryParse(text, out address) && address.Port > 0;

    /// <summary>Whether the fields of an endpoint that are known have the types that they should have: what it says of its socket would be lost else.</summary>
    private static bool IsAsItSays(LbEndpoint endpoint)
    {
        var bytes = endpoint.ToByteString();
        var fields = new WireFields(bytes.Span);
        while (fields.MoveNext())
        {
            if (fields.Number is LbEndpoint.EndpointFieldNumber or LbEndpoint.MetadataFieldNumber or LbEndpoint.LoadBalancingWeightFieldNumber ? !fields.IsText
                : fields.Number == LbEndpoint.HealthStatusFieldNumber && !fields.IsNumber)
            {
                return false;
            }
        }

        var isWhole = true;
        _ = endpoint.Metadata is { } metadata ? Strict.Read(Metadata.Parser, metadata.ToByteString(), out isWhole) : null;
        return isWhole;
    }

    private static string Either(string before, string now) => now == before ? before : now;

    private static string SocketLabels(Metadata? metadata) => metadata is not null && metadata.FilterMetadata.TryGetValue(SocketMatch, out var labels)
        ? string.Join('\n', labels.Fields.Where(static field => field.Value.KindCase == Value.KindOneofCase.StringValue).Select(static field => $"{field.Key}={field.Value.StringValue}").Order(StringComparer.Ordinal))
        : "";

    private static string Text(Metadata? metadata, string filter, params ReadOnlySpan<string> path)
    {
        var values = metadata is not null && metadata.FilterMetadata.TryGetValue(filter, out var found) ? found : null;
        for (var i = 0; values is not null && i < path.Length; i++)
        {
            var value = values.Fields.TryGetValue(path[i], out var field) ? field : null;
            if (i == path.Length - 1)
            {
                return value?.KindCase == Value.KindOneofCase.StringValue ? value.StringValue : "";
            }

            values = value?.KindCase == Value.KindOneofCase.StructValue ? value.StructValue : null;
        }

        return "";
    }
}
