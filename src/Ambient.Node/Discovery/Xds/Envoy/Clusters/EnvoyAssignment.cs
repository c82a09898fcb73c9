using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;

namespace Ambient.Node.Discovery.Xds.Envoy.Clusters;

/// <summary>The endpoints of a cluster.</summary>
/// <param name="Name">Name of the cluster.</param>
/// <param name="Endpoints">Those that can be reached from here.</param>
internal sealed record EnvoyAssignment(string Name, ImmutableArray<EnvoyEndpoint> Endpoints)
{
    /// <summary>How much of its traffic a priority or locality bears for the share of it that is healthy, in percent.</summary>
    public int Overprovisioning { get; init; } = AssignedEndpoints.UsualOverprovisioning;

    /// <summary>Whether both are equal, endpoints by content.</summary>
    public bool Equals(EnvoyAssignment? other) => other is not null && Name == other.Name && Overprovisioning == other.Overprovisioning && Endpoints.AsSpan().SequenceEqual(other.Endpoints.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Endpoints.Length);
}

/// <summary>An endpoint of a cluster.</summary>
/// <param name="Address">Its address; <see cref="IPAddress.None"/> where it is known by <paramref name="Host"/>.</param>
/// <param name="Port">The port on it.</param>
/// <param name="ByTunnel">Whether it is reached by HBONE; else as it is.</param>
/// <param name="IsHealthy">Whether it may receive anything.</param>
/// <param name="Weight">Its share.</param>
/// <param name="Priority">0 goes first.</param>
/// <param name="Locality">Where it is.</param>
/// <param name="Workload">What it is, as telemetry names it: <c>name;namespace;canonical name;revision;cluster</c>.</param>
/// <param name="Host">Host name that is looked up; empty: it has an address.</param>
internal sealed record EnvoyEndpoint(IPAddress Address, int Port, bool ByTunnel, bool IsHealthy, uint Weight, int Priority, Locality Locality, string Workload, string Host = "")
{
    /// <summary>Share of its locality among those of the same priority; 0: it has none.</summary>
    public uint LocalityWeight { get; init; }

    /// <summary>Name of the assignment that it is in.</summary>
    public string Assignment { get; init; } = "";

    /// <summary>What it says of the socket that it wants, a line each: <c>name=value</c>.</summary>
    public string SocketLabels { get; init; } = "";

    /// <summary>What it is reached through, besides a tunnel of its own; null: nothing.</summary>
    public EndpointHop? Hop { get; init; }
}

/// <summary>What an endpoint is reached through: the waypoint of its service, or the gateway of another network.</summary>
/// <param name="Through">Where that is.</param>
/// <param name="Target">What the other network's gateway is asked for, <c>host:port</c>; null: it is a waypoint, and asked for the endpoint's address.</param>
internal sealed record EndpointHop(IPEndPoint Through, string? Target);
