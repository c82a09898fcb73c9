using System.Net;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Lifetime;
using Ambient.Node.Requests.Upstreams;
using Ambient.Node.Requests.Upstreams.Balancing;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Policy.Routing.Streams;

namespace Ambient.Node.Requests;

/// <summary>
/// Reaches an endpoint for an opaque connection at a waypoint or gateway: another one when that fails, a few times. What came of it stands in the
/// connection's account.
/// </summary>
/// <param name="dialer">Makes connections.</param>
/// <param name="backends">Services' ports as connections are sent to them.</param>
/// <param name="time">Clock.</param>
internal sealed class StreamDialer(UpstreamDialer dialer, Backends backends, TimeProvider time)
{
    private const int MaxAttempts = 3;
    private const string TimedOut = "connection timed out";

    /// <summary>Chooses an endpoint and connects to it.</summary>
    /// <param name="choose">Chooses one, not of the workloads that could not be reached.</param>
    /// <param name="account">Told of each outcome.</param>
    /// <param name="open">The connection.</param>
    /// <param name="attempts">How many endpoints are tried; null: a few.</param>
    /// <param name="onFailed">Told why an endpoint was not reached, or none was there; null: nobody is.</param>
    /// <param name="ended">Gives up.</param>
    /// <returns>The connection and its endpoint, which the caller lets go of by <see cref="Leave"/>; without one, why.</returns>
    public async ValueTask<(MessageChannel? Link, UpstreamEndpoint? Endpoint, ConnectionOutcome Failure)> DialAsync(
        Func<IReadOnlyList<Workload>, StreamChoice> choose, StreamAccount account, OpenConnection open, int? attempts, Action<string>? onFailed, CancellationToken ended)
    {
        List<Workload> failed = [];
        var reason = "";
        while (true)
        {
            var choice = choose(failed);
            if (choice.Endpoint is not { } endpoint)
            {
                if (failed.Count > 0)
                {
                    // What kept it from the last of them says more than that there is no other.
                    return (null, null, new ConnectionOutcome(ResponseFlag.Connect, $"connection failed: {reason}"));
                }

                account.Failed(choice.Flag);
                return Failed(choice.Problem);
            }

            if (endpoint.Limits?.TryOpen(isFirst: false) == false)
            {
                backends.Metrics?.Overflow();
                account.Failed(ResponseFlags.UpstreamOverflow);
                return Failed("there are as many connections as its DestinationRule admits");
            }

            endpoint.State?.Begin();
            MessageChannel? reached = null;
            try
            {
                using var patience = new TimeLimit(endpoint.Limits?.Options.ConnectTimeout ?? backends.Options.ConnectTimeout, time, ended);
                reached = await dialer.DialAsync(endpoint, HboneIo.CurrentThread, patience.Token, opaque: true).ConfigureAwait(false);
                endpoint.State?.Answered(200);
                account.Reached(endpoint);
                return (reached, endpoint, default);
            }
            catch (OperationCanceledException) when (ended.IsCancellationRequested)
            {
                return (null, null, open.EndedBy == ConnectionEnd.None
                    ? new ConnectionOutcome(ResponseFlag.Connect, "the peer gave up before the endpoint answered")
                    : ConnectionOutcome.EndedBy(open.EndedBy, open.EndReason));
            }
            catch (Exception e) when (e is UpstreamConnectException or OperationCanceledException)
            {
                var timedOut = e is OperationCanceledException;
                reason = timedOut ? TimedOut : e.Message;
                endpoint.State?.Failed(timedOut);
                account.Failed(StreamAccount.NotReached, reason);
                onFailed?.Invoke(reason);
                failed.Add(endpoint.Workload);
                if (failed.Count >= (attempts ?? MaxAttempts))
                {
                    return (null, null, new ConnectionOutcome(ResponseFlag.Connect, $"connection failed: {reason}"));
                }
            }
            finally
            {
                if (reached is null)
                {
                    Leave(endpoint);
                }
            }
        }

        (MessageChannel?, UpstreamEndpoint?, ConnectionOutcome) Failed(string problem)
        {
            onFailed?.Invoke(problem);
            return (null, null, new ConnectionOutcome(ResponseFlag.Connect, problem));
        }
    }

    /// <summary>An endpoint of a service's port.</summary>
    /// <param name="mesh">The mesh.</param>
    /// <param name="own">The proxy's own workload.</param>
    /// <param name="service">The service.</param>
    /// <param name="route">Port and subset, and whether TLS is made.</param>
    /// <param name="destination">What the client addressed.</param>
    /// <param name="source">The client's connection.</param>
    /// <param name="client">Whose connection it is, where another one brought it.</param>
    /// <param name="serverName">Server name of its TLS, which says which of the names of a wildcard is meant; null: it says nothing.</param>
    /// <param name="failed">Workloads that could not be reached.</param>
    public StreamChoice Choose(
        MeshSnapshot mesh, Workload own, MeshService service, StreamDecision route, IPEndPoint destination, IPEndPoint source, IPEndPoint client, string? serverName, IReadOnlyList<Workload> failed)
    {
        var view = backends.Find(mesh, own, service, route.Port, route.Subset);

        // Of a connection nothing but its source can be hashed.
        ulong? hash = view.Policy.Balancer.ConsistentHash is { Source: HashSource.SourceAddress } ? RequestHash.Of(client.Address) : null;
        var endpoint = EndpointChoice.ForBackend(view, destination, http2Client: false, hash, null, failed, serverName, source, isTls: !route.OriginatesTls);
        return endpoint is not null ? new StreamChoice(endpoint, "", "") : view.Policy.IsSubsetUnknown
            ? new StreamChoice(null, $"no DestinationRule has the subset {route.Subset} of {service.Hostname}", ResponseFlags.NoClusterFound)
            : StreamChoice.None((route.OriginatesTls ? view.Policy.TlsProblem : null) ?? $"no healthy endpoint for {service.Hostname}:{route.Port}");
    }

    /// <summary>The connection to an endpoint is over.</summary>
    public static void Leave(UpstreamEndpoint endpoint)
    {
        endpoint.State?.End();
        endpoint.Limits?.Close();
    }
}
