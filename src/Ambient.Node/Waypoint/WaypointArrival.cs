using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Relaying;
using Ambient.Http;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Inbound;
using Ambient.Node.Requests;
using Ambient.Node.Requests.ExternalAuthorization;
using Ambient.Node.Requests.Upstreams;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Streams;

namespace Ambient.Node.Waypoint;

/// <summary>
/// A CONNECT at a waypoint. Of HTTP each request is authorized and accounted for by itself; opaque bytes are one connection, to which
/// policies are applied as a whole.
/// </summary>
internal sealed class WaypointArrival(WaypointInbound inbound, WaypointConnection connection) : InboundArrival
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);
    private const string NotHere = "it is no longer in the mesh, or no longer bound to this waypoint";

    private readonly WaypointDestination _target = connection.Target;

    // Where a policy asks for the server name of TLS, it is looked for before anything is decided, also on ports that are declared opaque.
    private UpstreamEndpoint? _endpoint;
    private StreamLimits? _limits;
    private volatile bool _opaque = connection.Target.Kind == PortKind.Opaque && !AsksForServerName(inbound, connection);
    private RequestPolicies? _asked;
    private readonly ConnectionCheck _check = new(inbound.Authorizers, inbound.Requests, inbound.Time);
    private readonly StreamAccount _account = new(inbound.Requests, () => inbound.Entrance.Find(connection.Target), connection.RemoteEndPoint, connection.Target.Address) { Identity = connection.PeerIdentity };

    /// <inheritdoc/>
    public override bool IsKnown => false;

    /// <inheritdoc/>
    public override IConnectionAccount Account => _account;

    /// <inheritdoc/>
    public override AuthorizationDecision Authorize()
    {
        var decision = !_opaque ? AuthorizationDecision.NoPolicy : inbound.Entrance.Find(_target) is { } place ? Decide(place) : default;
        if (!decision.IsAllowed)
        {
            inbound.Requests.Decided(decision, connection.RemoteEndPoint, connection.PeerIdentity, _target.Address);
            _account.Refused(decision);
        }

        return decision;
    }

    /// <inheritdoc/>
    public override ConnectionObjection? ObjectionIn(MeshSnapshot mesh)
    {
        if (!_opaque)
        {
            return null;
        }

        if (inbound.Entrance.Find(_target) is not { } place)
        {
            return new ConnectionObjection(ConnectionEnd.Rebound, NotHere);
        }

        if (ReferenceEquals(place.Policies, _asked))
        {
            return null;
        }

        _asked = place.Policies;
        return Decide(place) is { IsAllowed: false } decision ? new ConnectionObjection(ConnectionEnd.PolicyChange, decision.ToString()) : null;
    }

    /// <inheritdoc/>
    public override async ValueTask<InboundDelivery> DeliverAsync(HboneConnect connect, OpenConnection open, CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(open.Ended, cancellationToken);
        return _opaque
            ? await RelayAsync(connect, open, ended.Token).ConfigureAwait(false)
            : await TerminateAsync(connect, open, ended.Token).ConfigureAwait(false);
    }

    private ConnectionFacts Facts => new(connection.RemoteEndPoint, _target.Address, connection.PeerIdentity);

    private AuthorizationDecision Decide(RequestPlace place) => _check.Decide(place, Facts, connection.ServerName);

    /// <summary>Asks the external authorizer where a CUSTOM policy matches, and then all policies again. What keeps the connection out, or null.</summary>
    private async ValueTask<string?> QuestionAsync(CancellationToken ended)
    {
        _account.ServerName = connection.ServerName;
        if (await _check.AskAsync(inbound.Entrance.Find(_target), inbound.Self.Current, Facts, connection.ServerName, ended).ConfigureAwait(false) is { } denied)
        {
            _account.Refused(denied);
            return denied.ToString();
        }

        return Authorize() is { IsAllowed: false } decision ? decision.ToString() : null;
    }

    private static bool AsksForServerName(WaypointInbound inbound, WaypointConnection connection) =>
        inbound.Entrance.Find(connection.Target) is { } place
        && (place.Policies.AsksForServerName || (place.Service is { } service && (service.IsOfManyNames || inbound.Entrance.StreamsOf(place.Mesh, service).AsksForServerName)));

    /// <summary>Looks for the server name where a policy or a route asks for it. A client that says nothing is not waited for: its name stays unknown.</summary>
    private async ValueTask FindServerNameAsync(MessageChannel client, CancellationToken ended)
    {
        if (AsksForServerName(inbound, connection))
        {
            using var patience = new CancellationTokenSource(s_patience, inbound.Time);
            connection.ServerName = await ServerNameSniffer.DetectAsync(client, patience.Token, ended).ConfigureAwait(false);
        }
    }

    private void Note()
    {
        if (inbound.Entrance.Find(_target) is { Policies: { HasNotes: true } policies })
        {
            inbound.Requests.Noted(RequestAuthorizer.Notes(policies, Facts, connection.ServerName), connection.RemoteEndPoint, connection.PeerIdentity, _target.Address);
        }
    }

    /// <summary>A port that is declared opaque: the CONNECT is answered only once the endpoint is reached.</summary>
    private async ValueTask<ConnectionOutcome> RelayAsync(HboneConnect connect, OpenConnection open, CancellationToken ended)
    {
        MessageChannel? link;
        ConnectionOutcome failure;
        using (var unanswered = CancellationTokenSource.CreateLinkedTokenSource(ended, connect.Aborted))
        {
            if (await QuestionAsync(unanswered.Token).ConfigureAwait(false) is { } denied)
            {
                connect.Reject(401);
                return ConnectionOutcome.Denied(denied);
            }

            Note();
            (link, failure) = await DialAsync(open, _target.IsTls, unanswered.Token).ConfigureAwait(false);
        }

        if (link is null)
        {
            connect.Reject(open.EndedBy == ConnectionEnd.PolicyChange ? 401 : 503);
            return failure;
        }

        await using (link.ConfigureAwait(false))
        {
            var client = MessageChannel.Over(connect.Accept());
            await using (client.ConfigureAwait(false))
            {
                return await CarryAsync(client, link, open, ended).ConfigureAwait(false);
            }
        }
    }

    /// <summary>HTTP, or a port of which nothing is declared: the first bytes tell.</summary>
    private async ValueTask<ConnectionOutcome> TerminateAsync(HboneConnect connect, OpenConnection open, CancellationToken ended)
    {
        open.CarriesRequests = true;
        var tunnel = connect.Accept();
        var client = MessageChannel.Over(tunnel);
        await using (client.ConfigureAwait(false))
        {
            try
            {
                var protocol = _target.Kind == PortKind.Opaque
                    ? InnerProtocol.Opaque
                    : await ProtocolSniffer.DetectAsync(client, _target.Kind == PortKind.Http, ended).ConfigureAwait(false);
                switch (protocol)
                {
                    case InnerProtocol.Http1 or InnerProtocol.Http2:
                        var version = protocol == InnerProtocol.Http2 ? HttpProtocolVersion.Http2 : HttpProtocolVersion.Http11;
                        await inbound.Server.ServeAsync(client, connection, version, ended).ConfigureAwait(false);
                        return ConnectionOutcome.Complete;
                    case InnerProtocol.Closed:
                        await tunnel.Output.CompleteAsync().ConfigureAwait(false);
                        return ConnectionOutcome.Complete;
                }
            }
            catch (Exception e) when (e is IOException or OperationCanceledException)
            {
                // The client went away, or we are stopping: the tunnel ends, and nobody is left to tell.
                return ConnectionOutcome.Complete;
            }

            // Not HTTP: from here on it is one connection, asked about now and at every change.
            open.CarriesRequests = false;
            await FindServerNameAsync(client, ended).ConfigureAwait(false);
            _opaque = true;
            if (await QuestionAsync(ended).ConfigureAwait(false) is { } denied)
            {
                tunnel.Break();
                return ConnectionOutcome.Denied(denied);
            }

            Note();

            var (link, failure) = await DialAsync(open, _target.IsTls || await BeginsTlsAsync(client, ended).ConfigureAwait(false), ended).ConfigureAwait(false);
            if (link is null)
            {
                tunnel.Break();
                return failure;
            }

            await using (link.ConfigureAwait(false))
            {
                return await CarryAsync(client, link, open, ended).ConfigureAwait(false);
            }
        }
    }

    private async ValueTask<ConnectionOutcome> CarryAsync(MessageChannel client, MessageChannel link, OpenConnection open, CancellationToken ended)
    {
        try
        {
            using var clock = ConnectionClock.Start(open, _endpoint?.Limits?.Settings, _limits, inbound.Time);
            var relayed = await Relay.RunAsync(client, link, open.Bytes, ended).ConfigureAwait(false);
            return ConnectionOutcome.Relayed(relayed, open.EndedBy, open.EndReason);
        }
        finally
        {
            StreamDialer.Leave(_endpoint!);
        }
    }

    private async ValueTask<(MessageChannel? Link, ConnectionOutcome Failure)> DialAsync(OpenConnection open, bool inTls, CancellationToken ended)
    {
        var backend = Backend(inTls);
        _account.Goes(backend.Service, backend.Port, ReferenceEquals(backend.Service, inbound.Entrance.Find(_target)?.Service));
        if (backend.Error is { } error)
        {
            _account.Failed(ResponseFlags.NoRouteFound);
            inbound.Log.NotReached(connection.RemoteEndPoint, connection.PeerIdentity, connection.Authority, error);
            return (null, new ConnectionOutcome(ResponseFlag.Connect, error));
        }

        var (link, endpoint, failure) = await inbound.Streams.DialAsync(
            failed => Choose(backend, failed), _account, open, backend.Limits?.ConnectAttempts, reason => inbound.Log.NotReached(connection.RemoteEndPoint, connection.PeerIdentity, connection.Authority, reason), ended).ConfigureAwait(false);
        if (link is null || endpoint is null)
        {
            return (null, failure);
        }

        (_endpoint, _limits) = (endpoint, backend.Limits);
        open.Announce(Parties with
        {
            DestinationWorkload = endpoint.Workload,
            HboneAddress = endpoint.Way?.Authority ?? Parties.HboneAddress,
            DestinationIdentity = endpoint.Identity,
        });
        return (link, default);
    }

    /// <summary>The backend that a route of the service says, or the service itself; null service: a workload was addressed.</summary>
    /// <param name="inTls">Whether the client's bytes are TLS already: protected as they are.</param>
    private StreamDecision Backend(bool inTls)
    {
        if (_target.Service is null || inbound.Entrance.Find(_target) is not { Service: { } service, Mesh: var mesh })
        {
            return new StreamDecision();
        }

        var port = _target.Address.Port;
        if (inbound.Entrance.StreamsOf(mesh, service).Route(
            new StreamFacts(port, connection.ServerName, connection.RemoteEndPoint.Address, _target.Address.Address), Random.Shared) is { } routed)
        {
            return routed with { OriginatesTls = routed.OriginatesTls && !inTls, Port = routed.Port == StreamDecision.ArrivalPort ? port : routed.Port };
        }

        return new StreamDecision { Service = service, Port = port, OriginatesTls = !inTls };
    }

    private StreamChoice Choose(StreamDecision backend, IReadOnlyList<Workload> failed)
    {
        if (_target.Workload is { } workload)
        {
            return failed.Count == 0 ? new StreamChoice(EndpointChoice.ForWorkload(workload, _target.Address, http2Client: false), "", "") : StreamChoice.None("it cannot be reached");
        }

        return inbound.Self.Current is not { } own || backend.Service is not { } service || inbound.Entrance.Find(_target) is not { } place
            ? StreamChoice.None(NotHere)
            : inbound.Streams.Choose(place.Mesh, own, service, backend, _target.Address, connection.RemoteEndPoint, connection.RemoteEndPoint, connection.ServerName, failed);
    }

    /// <summary>Whether what the client has said so far begins like TLS (RFC 8446 section 5.1); a client that has not spoken has not.</summary>
    private static async ValueTask<bool> BeginsTlsAsync(MessageChannel client, CancellationToken ended) =>
        (await client.PeekPatientlyAsync(1, new CancellationToken(canceled: true), ended).ConfigureAwait(false)) is { IsEmpty: false } bytes && bytes.Span[0] == 0x16;
}
