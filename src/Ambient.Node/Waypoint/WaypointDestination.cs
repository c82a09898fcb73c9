using System.Net;
using Ambient.Mesh;

namespace Ambient.Node.Waypoint;

/// <summary>What a CONNECT at a waypoint is for, or why it is refused.</summary>
internal sealed record WaypointDestination
{
    /// <summary>Status that refuses the CONNECT; 0 when it is served.</summary>
    public int RefusalStatus { get; private init; }

    /// <summary>Why it is refused, for the log.</summary>
    public string? Error { get; private init; }

    /// <summary>The service that was addressed, or null.</summary>
    public MeshService? Service { get; private init; }

    /// <summary>The workload that was addressed, or null.</summary>
    public Workload? Workload { get; private init; }

    /// <summary>Address and port that the client meant; policies are asked about these.</summary>
    public IPEndPoint Address { get; private init; } = new(IPAddress.Any, 0);

    /// <summary>What the port speaks.</summary>
    public PortKind Kind { get; private init; }

    /// <summary>Whether the port is declared to speak TLS, which is the endpoint's.</summary>
    public bool IsTls { get; private init; }

    /// <summary>A service that this waypoint stands before.</summary>
    public static WaypointDestination For(MeshService service, IPEndPoint address, PortKind kind, bool isTls = false) =>
        new() { Service = service, Address = address, Kind = kind, IsTls = isTls };

    /// <summary>A workload that this waypoint stands before.</summary>
    public static WaypointDestination For(Workload workload, IPEndPoint address) =>
        new() { Workload = workload, Address = address, Kind = PortKind.Unknown };

    /// <summary>A refusal.</summary>
    public static WaypointDestination Refuse(int status, string error) => new() { RefusalStatus = status, Error = error };
}
