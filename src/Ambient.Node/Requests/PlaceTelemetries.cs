using System.Collections.Frozen;
using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Node.Requests;

/// <summary>
/// What is logged, counted and traced of the traffic of one place: by the port that it came to and by its kind where a control plane has worked it out, and
/// else the same for all of it, as objects of Telemetry say.
/// </summary>
internal sealed class PlaceTelemetries
{
    private readonly PlaceTelemetry? _objects;
    private readonly ImmutableDictionary<int, PortTelemetry>? _told;
    private readonly (PlaceTelemetry Requests, PlaceTelemetry Connections) _usual;
    private readonly FrozenDictionary<int, (PlaceTelemetry Requests, PlaceTelemetry Connections)>? _byPort;

    private PlaceTelemetries(PlaceTelemetry objects) => (_objects, _usual) = (objects, (objects, objects));

    private PlaceTelemetries(ImmutableDictionary<int, PortTelemetry> told)
    {
        _told = told;
        _usual = Of(told.GetValueOrDefault(PortTelemetry.AnyPort));
        if (told.Keys.Any(static port => port != PortTelemetry.AnyPort))
        {
            _byPort = told.ToFrozenDictionary(static entry => entry.Key, static entry => Of(entry.Value));
        }
    }

    /// <summary>Nothing said.</summary>
    public static PlaceTelemetries Default { get; } = new(PlaceTelemetry.Default);

    /// <summary>What holds for requests that came to a port.</summary>
    public PlaceTelemetry Requests(int port) => _byPort is not null && _byPort.TryGetValue(port, out var own) ? own.Requests : _usual.Requests;

    /// <summary>What holds for opaque connections that came to a port.</summary>
    public PlaceTelemetry Connections(int port) => _byPort is not null && _byPort.TryGetValue(port, out var own) ? own.Connections : _usual.Connections;

    /// <summary>Compiles what holds at a place.</summary>
    /// <param name="requests">Gateways and what is said of telemetry.</param>
    /// <param name="gateway">The waypoint or gateway.</param>
    /// <param name="service">The service that traffic is for, or null.</param>
    /// <param name="earlier">What this returned for an earlier mesh; returned again where nothing has changed of it.</param>
    public static PlaceTelemetries Of(RequestConfiguration requests, Mesh.Gateway gateway, MeshService? service, PlaceTelemetries? earlier)
    {
        ArgumentNullException.ThrowIfNull(requests);
        ArgumentNullException.ThrowIfNull(gateway);
        var key = service is not null ? service.Key
            : gateway.IsWaypoint ? PlaceConfiguration.Workloads
            : PlaceConfiguration.OfGateway(gateway.Key);
        if (requests.Places.GetValueOrDefault(key)?.Telemetry is { } told)
        {
            return ReferenceEquals(earlier?._told, told) ? earlier : new PlaceTelemetries(told);
        }

        var objects = PlaceTelemetry.Of(requests, gateway, service, earlier?._objects);
        return ReferenceEquals(objects, earlier?._objects) ? earlier : ReferenceEquals(objects, PlaceTelemetry.Default) ? Default : new PlaceTelemetries(objects);
    }

    private static (PlaceTelemetry Requests, PlaceTelemetry Connections) Of(PortTelemetry? port) => (PlaceTelemetry.Of(port?.Requests), PlaceTelemetry.Of(port?.Connections));
}
