using System.Collections.Immutable;
using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Connections;
using Ambient.Policy.Routing.Requests;
using Ambient.Policy.Routing.Streams;

namespace Ambient.Node.Admin.Explain;

/// <summary>
/// What a waypoint or gateway would make of a connection whose bytes it does not look into, and why: which listener has it, what policies say, and where routes
/// send it. It calls the same functions as the engine does, with the current snapshot. External authorizers are not asked for a question.
/// </summary>
internal sealed record StreamExplanation
{
    private const int Draws = 400;

    /// <summary>The Gateway, <c>namespace/name</c>.</summary>
    public required string Gateway { get; init; }

    /// <summary>Whose connection it is; null: nobody's that is known.</summary>
    public required SpiffeId? Identity { get; init; }

    /// <summary>Where it comes from.</summary>
    public required IPAddress Source { get; init; }

    /// <summary>Where it is made to.</summary>
    public required IPEndPoint Destination { get; init; }

    /// <summary>Server name of its TLS; empty: it has none.</summary>
    public required string ServerName { get; init; }

    /// <summary>Listeners of the port, at a gateway; at a waypoint the port of the service.</summary>
    public required ImmutableArray<ExplainedListener> Listeners { get; init; }

    /// <summary>What policies have to say, in order of evaluation.</summary>
    public required ImmutableArray<RequestPolicyTrace> Policies { get; init; }

    /// <summary>What policies decide.</summary>
    public required AuthorizationDecision Decision { get; init; }

    /// <summary>What routes may make of it, the most frequent first.</summary>
    public required ImmutableArray<ExplainedStream> Routes { get; init; }

    /// <summary>A connection for a service, at its waypoint.</summary>
    /// <param name="mesh">The mesh.</param>
    /// <param name="gateway">The waypoint.</param>
    /// <param name="self">The waypoint's own workload.</param>
    /// <param name="service">The service.</param>
    /// <param name="destination">The service's address and port.</param>
    /// <param name="source">Who connects.</param>
    /// <param name="serverName">Server name of TLS; empty: none.</param>
    public static StreamExplanation AtWaypoint(
        MeshSnapshot mesh, Mesh.Gateway gateway, Workload self, MeshService service, IPEndPoint destination, Workload source, string serverName)
    {
        ArgumentNullException.ThrowIfNull(gateway);
        ArgumentNullException.ThrowIfNull(service);
        ArgumentNullException.ThrowIfNull(source);
        var address = source.Addresses is [var first, ..] ? first : IPAddress.Any;
        var listeners = service.Ports.Where(port => port.Port == destination.Port)
            .Select(port => new ExplainedListener($"{service.Key} port {port.Port}", port.AppProtocol.ToString(), null, null)).ToImmutableArray();
        return Of(
            mesh, gateway, self, service, source.Identity, new ConnectionFacts(new IPEndPoint(address, 0), destination, source.Identity), serverName,
            listeners, RequestPolicies.ForWaypoint(mesh, gateway, service), StreamRoutes.ForService(mesh, service, gateway.Namespace));
    }

    /// <summary>A connection from outside, at a listener of an ingress gateway.</summary>
    /// <param name="mesh">The mesh.</param>
    /// <param name="gateway">The gateway.</param>
    /// <param name="self">The gateway's own workload.</param>
    /// <param name="port">Port of the listener.</param>
    /// <param name="source">Who connects.</param>
    /// <param name="serverName">Server name of TLS; empty: none.</param>
    public static StreamExplanation AtGateway(MeshSnapshot mesh, Mesh.Gateway gateway, Workload self, int port, IPAddress source, string serverName)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        ArgumentNullException.ThrowIfNull(self);
        var listeners = ListenerStatus.Of(mesh.Requests, gateway).Where(status => status.Listener.Port == port)
            .Select(status => ExplainedListener.Of(status, serverName)).ToImmutableArray();
        var facts = new ConnectionFacts(new IPEndPoint(source, 0), new IPEndPoint(self.Addresses is [var own, ..] ? own : IPAddress.Any, port), null);
        return Of(mesh, gateway, self, null, null, facts, serverName, listeners, RequestPolicies.ForGateway(mesh, gateway), StreamRoutes.ForGateway(mesh, gateway));
    }

    private static StreamExplanation Of(
        MeshSnapshot mesh, Mesh.Gateway gateway, Workload self, MeshService? service, SpiffeId? identity, ConnectionFacts facts, string serverName,
        ImmutableArray<ExplainedListener> listeners, RequestPolicies policies, StreamRoutes routes)
    {
        var asked = new StreamFacts(facts.Destination.Port, serverName, facts.Source.Address, facts.Destination.Address);
        var random = new Random(1);
        var nowhere = service is null
            ? new StreamDecision { Error = "no listener of the port takes connections" }
            : new StreamDecision { Service = service, Port = facts.Destination.Port };
        var drawn = Enumerable.Range(0, Draws).Select(_ => routes.Route(asked, random) ?? nowhere)
            .GroupBy(route => (route.Route, route.Service?.Key, route.Port, route.Subset, route.Error))
            .OrderByDescending(group => group.Count());
        return new StreamExplanation
        {
            Gateway = gateway.Key,
            Identity = identity,
            Source = facts.Source.Address,
            Destination = facts.Destination,
            ServerName = serverName,
            Listeners = listeners,
            Policies = RequestPolicyTrace.Of(policies, facts, serverName),
            Decision = RequestAuthorizer.Authorize(policies, facts, serverName),
            Routes = [.. drawn.Select(group => ExplainedStream.Of(mesh, self, facts.Destination.Port, group.First(), (double)group.Count() / Draws))],
        };
    }
}

/// <summary>A listener that a connection may belong to.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Protocol">What it carries.</param>
/// <param name="Hostname">Server names that it is for; null: all.</param>
/// <param name="Objection">Why the connection is not its; null: it is, unless a more specific one has it.</param>
internal sealed record ExplainedListener(string Name, string Protocol, string? Hostname, string? Objection)
{
    /// <summary>A listener of a gateway.</summary>
    public static ExplainedListener Of(ListenerStatus status, string serverName)
    {
        var listener = status.Listener;
        var isTls = listener.Protocol is "TLS" or "HTTPS";
        return new ExplainedListener(
            status.Title,
            isTls ? $"{listener.Protocol}, {(listener.TerminatesTls ? "which ends here" : "passed through")}" : listener.Protocol,
            listener.Hostname,
            status.Problem
                ?? (listener.Protocol is not ("TCP" or "TLS") ? "it carries requests: ask with host and path"
                    : isTls && !status.IsFor(serverName) ? $"it is for the server name {listener.Hostname}{(serverName.Length == 0 ? ", and the connection names none" : "")}"
                    : null));
    }
}

/// <summary>One thing that routes may make of a connection.</summary>
/// <param name="Route">What they make of it.</param>
/// <param name="Share">How often, from 0 to 1.</param>
/// <param name="Port">Port of the service.</param>
/// <param name="Endpoints">Endpoints of the service, chosen from or not.</param>
internal sealed record ExplainedStream(StreamDecision Route, double Share, int Port, ImmutableArray<EndpointCandidate> Endpoints)
{
    /// <summary>Explains a decision.</summary>
    public static ExplainedStream Of(MeshSnapshot mesh, Workload self, int addressedPort, StreamDecision route, double share)
    {
        var port = route.Port == StreamDecision.ArrivalPort ? addressedPort : route.Port;
        return new ExplainedStream(route, share, port, route.Service is { } service ? BackendPolicy.Of(mesh, self, service, port, route.Subset).Candidates(mesh, self, service, port, route.Subset) : []);
    }
}
