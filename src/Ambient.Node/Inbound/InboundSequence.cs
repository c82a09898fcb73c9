using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Node.Connections;

namespace Ambient.Node.Inbound;

/// <summary>
/// What happens to every CONNECT, at a ztunnel, a waypoint and a member alike. The listener has accepted the connection and authenticated
/// its peer; here
/// <code>
/// 1 resolve     where it goes, or why it is refused
/// 2 register    so that a change of the mesh finds it from here on
/// 3 authorize   against the newest snapshot
/// 4 deliver     to a socket, to the request engine, to the application
/// 5 account     log line, metrics
/// </code>
/// and what differs between the three is where it goes and how it is delivered (<see cref="InboundArrival"/>).
/// </summary>
internal abstract class InboundSequence(ConnectionTable connections, TimeProvider time)
{
    /// <summary>What is open.</summary>
    protected ConnectionTable Connections => connections;

    /// <summary>Answers one CONNECT, and carries its tunnel to the end. Throws only what nobody foresaw.</summary>
    /// <param name="connect">The CONNECT.</param>
    /// <param name="local">Whose listener it came to.</param>
    /// <param name="owner">What the connection ends with, besides the process.</param>
    /// <param name="cancellationToken">Ends it at once.</param>
    public ValueTask RunAsync(HboneConnect connect, LocalWorkload local, object? owner, CancellationToken cancellationToken) =>
        new(BeginAsync(connect, local, owner, cancellationToken).Unwrap());

    /// <summary>
    /// The sequence. Where it ends in a relay, the task that is returned does the rest: what was needed to get there is garbage by then, and an
    /// idle tunnel keeps none of it.
    /// </summary>
    private async Task<Task> BeginAsync(HboneConnect connect, LocalWorkload local, object? owner, CancellationToken cancellationToken)
    {
        var begun = time.GetTimestamp();

        // 1 resolve
        var resolution = await ResolveAsync(connect, local, cancellationToken).ConfigureAwait(false);
        if (resolution.Arrival is not { } arrival)
        {
            connect.Reject(resolution.Status);
            Refused(connect, resolution.Status, resolution.Error!);
            return Task.CompletedTask;
        }

        // 2 register: a policy that changes before or while it is authorized finds it and ends it.
        var connection = connections.Register(arrival.Parties, begun, arrival, owner);
        connection.Account = arrival.Account;
        var outcome = ConnectionOutcome.Complete;
        var relaying = false;
        try
        {
            // 3 authorize
            var decision = arrival.Authorize();
            if (!decision.IsAllowed)
            {
                connect.Reject(401);
                outcome = ConnectionOutcome.Denied(decision.ToString());
                return Task.CompletedTask;
            }

            // 4 deliver
            if (arrival.IsKnown)
            {
                connection.Announce(arrival.Parties);
            }

            var delivery = await arrival.DeliverAsync(connect, connection, cancellationToken).ConfigureAwait(false);
            if (delivery is { Tunnel: { } tunnel, Server: { } server })
            {
                // Accounts for it as well.
                relaying = true;
                return connection.CarryAsync(tunnel, server);
            }

            outcome = delivery.Outcome;
            return Task.CompletedTask;
        }
        catch (Exception e)
        {
            // The listener ends the tunnel, or answers 500; counted and logged it is here.
            outcome = ConnectionOutcome.Unexpected(e);
            throw;
        }
        finally
        {
            // 5 account
            if (!relaying)
            {
                connection.Close(outcome.Flag, outcome.Error);
            }
        }
    }

    /// <summary>Where a CONNECT goes: a decision over one snapshot, which may have to wait until the mesh knows what it is about.</summary>
    protected abstract ValueTask<InboundResolution> ResolveAsync(HboneConnect connect, LocalWorkload local, CancellationToken cancellationToken);

    /// <summary>Logs a CONNECT that was refused before anything was registered.</summary>
    protected abstract void Refused(HboneConnect connect, int status, string error);
}
