using System.Net;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Relaying;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Requests;
using Ambient.Node.Requests.ExternalAuthorization;
using Ambient.Node.Requests.Serving;
using Ambient.Node.Requests.Upstreams;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Streams;

namespace Ambient.Node.Gateway;

/// <summary>
/// Connections at a gateway whose bytes it does not look into: plain TCP, TLS that is passed through, and what TLS protects that the gateway ends.
/// <code>
/// 1 register    so that a change of the mesh finds it from here on
/// 2 authorize   an external authorizer where a CUSTOM policy matches    ConnectionCheck
///               policies of the gateway, on the connection as a whole
/// 3 route       a route or VirtualService, to a backend                 StreamRoutes
/// 4 dial        an endpoint of it, another one when that fails          UpstreamDialer
/// 5 relay       until both sides have ended
/// 6 account     log line, metrics
/// </code>
/// </summary>
internal sealed class GatewayStreams(
    IMeshSnapshotProvider meshes, string gatewayKey, RequestPlaces places, LocalWorkload self, UpstreamDialer dialer, Backends backends, ConnectionTable connections, TimeProvider time)
{
    private readonly StreamDialer _dialer = new(dialer, backends, time);
    private StreamRoutes? _routes;

    /// <summary>Carries a connection to its end. Never throws.</summary>
    /// <param name="client">The client's bytes; owned from here.</param>
    /// <param name="facts">The connection as policies see it: its destination is the listener's address, as the Gateway declares it.</param>
    /// <param name="serverName">Server name of its TLS; null in clear.</param>
    /// <param name="pipeline">Of the same port: its log is told what policies say, its authorizers are asked.</param>
    /// <param name="owner">What the connection ends with, besides the process.</param>
    /// <param name="cancellationToken">Ends it at once.</param>
    public async Task CarryAsync(
        MessageChannel client, ConnectionFacts facts, string? serverName, RequestPipeline pipeline, object owner, CancellationToken cancellationToken)
    {
        await using (client.ConfigureAwait(false))
        {
            var (own, remote) = (self.Current, facts.Remote ?? facts.Source);
            var stream = new Stream(places, facts, serverName, new ConnectionCheck(pipeline.Authorizers, pipeline.Log, time))
            {
                Account = new StreamAccount(pipeline.Log, () => places.Find(""), facts.Remote ?? facts.Source, facts.Destination) { ServerName = serverName },
            };

            // 1 register
            var connection = connections.Register(
                new ConnectionParties
                {
                    Direction = TrafficDirection.Outbound,
                    Source = remote,
                    SourceWorkload = own is null ? null : meshes.Current.FindWorkload(own.Network, remote.Address),
                    Destination = facts.Destination,
                    Overrides = places.Find("")?.Telemetry.Connections(facts.Destination.Port).Metrics,
                },
                time.GetTimestamp(),
                stream,
                owner);
            connection.Account = stream.Account;
            var outcome = ConnectionOutcome.Complete;
            try
            {
                outcome = await CarryAsync(client, stream, connection, pipeline.Log, cancellationToken).ConfigureAwait(false);
            }
#pragma warning disable CA1031 // Whatever goes wrong with one connection is logged and ends that one only.
            catch (Exception e)
#pragma warning restore CA1031
            {
                outcome = ConnectionOutcome.Unexpected(e);
            }

            // 6 account
            connection.Close(outcome.Flag, outcome.Error);
        }
    }

    private async Task<ConnectionOutcome> CarryAsync(MessageChannel client, Stream stream, OpenConnection open, RequestLog log, CancellationToken cancellationToken)
    {
        // 2 authorize
        if (places.Find("") is not { } place || self.Current is not { } own)
        {
            return new ConnectionOutcome(ResponseFlag.Connect, "the gateway is no longer in the mesh");
        }

        using var ended = CancellationTokenSource.CreateLinkedTokenSource(open.Ended, cancellationToken);
        if (await stream.Check.AskAsync(place, own, stream.Facts, stream.ServerName, ended.Token).ConfigureAwait(false) is { } refused)
        {
            stream.Account.Refused(refused);
            return ConnectionOutcome.Denied(refused.ToString());
        }

        // The authorizer may have taken its time: what holds now is what counts.
        place = places.Find("");
        if (place is null)
        {
            return new ConnectionOutcome(ResponseFlag.Connect, "the gateway is no longer in the mesh");
        }

        if (place.Policies.HasNotes)
        {
            log.Noted(RequestAuthorizer.Notes(place.Policies, stream.Facts, stream.ServerName), stream.Facts.Remote ?? stream.Facts.Source, null, stream.Facts.Destination);
        }

        var decision = stream.Decide(place);
        log.Decided(decision, stream.Facts.Remote ?? stream.Facts.Source, null, stream.Facts.Destination);
        if (!decision.IsAllowed)
        {
            stream.Account.Refused(decision);
            return ConnectionOutcome.Denied(decision.ToString());
        }

        // 3 route
        var mesh = place.Mesh;
        var route = RouteOf(mesh, stream);
        if (route.Service is not { } service)
        {
            stream.Account.Failed(ResponseFlags.NoRouteFound);
            return new ConnectionOutcome(ResponseFlag.Connect, route.Error);
        }

        // 4 dial
        stream.Account.Goes(service, route.Port, isInbound: false);
        var (link, endpoint, failure) = await _dialer.DialAsync(failed => Choose(mesh, own, service, route, stream, failed), stream.Account, open, route.Limits?.ConnectAttempts, null, ended.Token).ConfigureAwait(false);
        if (link is null || endpoint is null)
        {
            return failure;
        }

        open.Announce(open.Parties with
        {
            Destination = endpoint.Address,
            DestinationWorkload = endpoint.Workload,
            HboneAddress = endpoint.Way?.Authority,
            DestinationIdentity = endpoint.Identity,
            Service = service,
        });
        try
        {
            await using (link.ConfigureAwait(false))
            {
                // 5 relay
                using var clock = ConnectionClock.Start(open, endpoint.Limits?.Settings, route.Limits, time);
                var relayed = await Relay.RunAsync(client, link, open.Bytes, ended.Token).ConfigureAwait(false);
                return ConnectionOutcome.Relayed(relayed, open.EndedBy, open.EndReason);
            }
        }
        finally
        {
            StreamDialer.Leave(endpoint);
        }
    }

    private StreamDecision RouteOf(MeshSnapshot mesh, Stream stream)
    {
        if (!mesh.Requests.Gateways.TryGetValue(gatewayKey, out var gateway))
        {
            return new StreamDecision { Error = "the gateway is no longer in the mesh" };
        }

        // Made anew only where something that it follows from has changed.
        var routes = StreamRoutes.ForGateway(mesh, gateway, Volatile.Read(ref _routes));
        Volatile.Write(ref _routes, routes);
        var decision = routes.Route(stream.RouteFacts, Random.Shared) ?? new StreamDecision { Error = "no listener of the port takes connections" };
        return decision.Port == StreamDecision.ArrivalPort ? decision with { Port = stream.Facts.Destination.Port } : decision;
    }

    private StreamChoice Choose(MeshSnapshot mesh, Workload own, MeshService service, StreamDecision route, Stream stream, IReadOnlyList<Workload> failed)
    {
        if (EndpointChoice.UsesWaypoint(service))
        {
            // The waypoint makes the TLS that the service asks for.
            return failed.Count == 0 && EndpointChoice.ForWaypoint(mesh, own, service, route.Port, http2Client: false) is { } waypoint
                ? new StreamChoice(waypoint, "", "")
                : StreamChoice.None($"no healthy endpoint for {service.Hostname}:{route.Port}");
        }

        var choice = _dialer.Choose(mesh, own, service, route, stream.Facts.Destination, stream.Facts.Source, stream.Facts.Remote ?? stream.Facts.Source, stream.ServerName, failed);
        return choice with { Endpoint = choice.Endpoint?.Certified(GatewayEntrance.BackendCertificateOf(mesh.Requests, gatewayKey)) };
    }

    /// <summary>A connection as policies see it, now and whenever they change.</summary>
    private sealed class Stream(RequestPlaces places, ConnectionFacts facts, string? serverName, ConnectionCheck check) : IConnectionGround
    {
        public ConnectionFacts Facts => facts;

        public string? ServerName => serverName;

        public required StreamAccount Account { get; init; }

        public ConnectionCheck Check => check;

        public StreamFacts RouteFacts => new(facts.Destination.Port, serverName, (facts.Remote ?? facts.Source).Address, facts.Destination.Address);

        public AuthorizationDecision Decide(RequestPlace place) => check.Decide(place, facts, serverName);

        public ConnectionObjection? ObjectionIn(MeshSnapshot mesh) =>
            places.Find("") is not { } place ? new ConnectionObjection(ConnectionEnd.Rebound, "the gateway is no longer in the mesh")
            : Decide(place) is { IsAllowed: false } decision ? new ConnectionObjection(ConnectionEnd.PolicyChange, decision.ToString())
            : null;
    }
}
