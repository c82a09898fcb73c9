using System.IO.Pipelines;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Relaying;
using Ambient.Node.Requests.Upstreams;

namespace Ambient.Node.Waypoint;

/// <summary>
/// Moves opaque bytes between a client's tunnel and an endpoint. Each direction ends on its own and hands its end on; what breaks on one
/// side, or is ended by the host, breaks on the other, and does not look complete there.
/// </summary>
internal sealed class OpaqueRelay
{
    private readonly HboneTunnel _client;
    private readonly UpstreamLink _server;
    private readonly RelayCounters _counters;
    private readonly Lock _gate = new();
    private RelayOutcome? _failure;

    private OpaqueRelay(HboneTunnel client, UpstreamLink server, RelayCounters counters)
    {
        _client = client;
        _server = server;
        _counters = counters;
    }

    /// <summary>Relays until both directions have ended, one broke, or <paramref name="abort"/> was cancelled.</summary>
    public static async Task<RelayOutcome> RunAsync(HboneTunnel client, UpstreamLink server, RelayCounters counters, CancellationToken abort)
    {
        var relay = new OpaqueRelay(client, server, counters);
        await using (abort.UnsafeRegister(static r => ((OpaqueRelay)r!).Fail(new RelayOutcome(RelayEnd.Aborted, null)), relay).ConfigureAwait(false))
        {
            await Task.WhenAll(relay.ToServerAsync(), relay.ToClientAsync()).ConfigureAwait(false);
        }

        if (relay._failure is { } failure)
        {
            return failure;
        }

        server.MarkEnded();
        return new RelayOutcome(RelayEnd.Complete, null);
    }

    private bool HasFailed
    {
        get
        {
            lock (_gate)
            {
                return _failure is not null;
            }
        }
    }

    private async Task ToServerAsync()
    {
        // An endpoint that is lost takes nothing any more: whatever the client still sends has nowhere to go.
        await using (_server.Closed.UnsafeRegister(static reader => ((PipeReader)reader!).CancelPendingRead(), _client.Input).ConfigureAwait(false))
        {
            try
            {
                await CopyAsync(_client.Input, _server.Output, toServer: true, _server.Closed).ConfigureAwait(false);
                await _server.EndAsync().ConfigureAwait(false);
            }
            catch (Exception e) when (IsEnd(e))
            {
                Fail(new RelayOutcome(e is WriteFailedException ? RelayEnd.ServerFailed : RelayEnd.ClientFailed, e.InnerException ?? e));
            }
        }
    }

    private async Task ToClientAsync()
    {
        await using (_client.Closed.UnsafeRegister(static reader => ((PipeReader)reader!).CancelPendingRead(), _server.Input).ConfigureAwait(false))
        {
            try
            {
                await CopyAsync(_server.Input, _client.Output, toServer: false, _client.Closed).ConfigureAwait(false);
                await _client.Output.CompleteAsync().ConfigureAwait(false);
            }
            catch (Exception e) when (IsEnd(e))
            {
                Fail(new RelayOutcome(e is WriteFailedException ? RelayEnd.ClientFailed : RelayEnd.ServerFailed, e.InnerException ?? e));
            }
        }
    }

    /// <summary>Copies until the source has ended, or the target takes no more.</summary>
    private async Task CopyAsync(PipeReader from, PipeWriter to, bool toServer, CancellationToken targetClosed)
    {
        while (true)
        {
            var result = await from.ReadAsync(CancellationToken.None).ConfigureAwait(false);
            foreach (var segment in result.Buffer)
            {
                FlushResult flushed;
                try
                {
                    flushed = await to.WriteAsync(segment, CancellationToken.None).ConfigureAwait(false);
                }
                catch (Exception e) when (IsEnd(e))
                {
                    from.AdvanceTo(result.Buffer.End);
                    throw new WriteFailedException(e);
                }

                if (flushed.IsCompleted)
                {
                    from.AdvanceTo(result.Buffer.End);
                    return;
                }

                Count(segment.Length, toServer);
            }

            from.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted || (result.IsCanceled && (targetClosed.IsCancellationRequested || HasFailed)))
            {
                return;
            }
        }
    }

    private void Fail(RelayOutcome outcome)
    {
        lock (_gate)
        {
            _failure ??= outcome;
        }

        // A reader that waits is woken by the reset of its own side, or by this.
        _client.Break();
        _server.Break();
        _client.Input.CancelPendingRead();
        _server.Input.CancelPendingRead();
    }

    private void Count(int bytes, bool toServer)
    {
        if (toServer)
        {
            _counters.AddClientToServer(bytes);
        }
        else
        {
            _counters.AddServerToClient(bytes);
        }
    }

    private static bool IsEnd(Exception e) => e is IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException;

    private sealed class WriteFailedException(Exception cause) : IOException(cause.Message, cause);
}
