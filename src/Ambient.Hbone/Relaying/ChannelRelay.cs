using System.Net.Sockets;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Relaying;

/// <summary>
/// Channel to channel and back, whatever they are over, beginning with what was looked at. Each direction ends on its own and hands its end on; what
/// breaks on one side, or is aborted, breaks on the other, and does not look complete there.
/// </summary>
internal sealed class ChannelRelay
{
    // Bytes that one direction moves before it gives way to the others of its thread.
    private const int TurnBudget = 512 * 1024;

    private readonly MessageChannel _client;
    private readonly MessageChannel _server;
    private readonly RelayCounters _counters;
    private readonly Lock _gate = new();
    private RelayOutcome? _failure;

    private ChannelRelay(MessageChannel client, MessageChannel server, RelayCounters counters)
    {
        _client = client;
        _server = server;
        _counters = counters;
    }

    public static async ValueTask<RelayOutcome> RunAsync(MessageChannel client, MessageChannel server, RelayCounters counters, CancellationToken abort)
    {
        var relay = new ChannelRelay(client, server, counters);
        await using (abort.UnsafeRegister(static r => ((ChannelRelay)r!).Fail(RelayEnd.Aborted, null), relay).ConfigureAwait(false))
        {
            var up = relay.CopyAsync(client, server, upward: true);
            var down = relay.CopyAsync(server, client, upward: false);
            await up.ConfigureAwait(false);
            await down.ConfigureAwait(false);
        }

        lock (relay._gate)
        {
            return relay._failure ?? new RelayOutcome(RelayEnd.Complete, null);
        }
    }

    /// <summary>Copies until the source has ended, or the target takes no more.</summary>
    private async Task CopyAsync(MessageChannel from, MessageChannel to, bool upward)
    {
        LoopTurn? turn = null;
        var size = IoBuffers.Medium;
        var moved = 0;
        while (true)
        {
            byte[]? buffer = null;
            try
            {
                await from.WaitToReceiveAsync().ConfigureAwait(false);
                buffer = IoBuffers.RentUpTo(size);
                var count = from.TryReceive(buffer, out var error);
                if (count > 0)
                {
                    size = count == buffer.Length ? Math.Min(size * 4, IoBuffers.Bulk) : size;
                    if (!await SendAsync(to, buffer.AsMemory(0, count), upward).ConfigureAwait(false))
                    {
                        return;
                    }

                    Count(count, upward);
                    moved += count;
                }
                else if (count == 0)
                {
                    End(from, to);
                    return;
                }
                else if (error != SocketError.WouldBlock)
                {
                    Fail(upward ? RelayEnd.ClientFailed : RelayEnd.ServerFailed, new SocketException((int)error));
                    return;
                }
            }
            catch (Exception e) when (IsEnd(e))
            {
                Fail(upward ? RelayEnd.ClientFailed : RelayEnd.ServerFailed, e);
                return;
            }
            finally
            {
                if (buffer is not null)
                {
                    IoBuffers.Return(buffer);
                }
            }

            if (moved >= TurnBudget)
            {
                moved = 0;
                await (turn ??= new LoopTurn()).NextAsync().ConfigureAwait(false);
            }
        }
    }

    /// <summary>False: the target takes no more.</summary>
    private async ValueTask<bool> SendAsync(MessageChannel to, ReadOnlyMemory<byte> bytes, bool upward)
    {
        try
        {
            await to.Bytes.SendAllAsync(bytes).ConfigureAwait(false);
            return true;
        }
        catch (Exception e) when (IsEnd(e))
        {
            // A tunnel whose peer lost interest has ended; one that failed says so to whoever reads it.
            if (to.Bytes is not TunnelChannel)
            {
                Fail(upward ? RelayEnd.ServerFailed : RelayEnd.ClientFailed, e);
            }

            return false;
        }
    }

    private static void End(MessageChannel from, MessageChannel to)
    {
        to.Bytes.ShutdownSend();
        if (from.Bytes is TunnelChannel { IsGone: true })
        {
            // Whatever the other side still sends has nowhere to go, so nobody waits for it.
            if (to.Bytes is SocketChannel socket)
            {
                socket.ShutdownReceive();
            }
            else
            {
                to.Bytes.Close();
            }
        }
    }

    private void Fail(RelayEnd end, Exception? cause)
    {
        lock (_gate)
        {
            _failure ??= new RelayOutcome(end, cause);
        }

        // A reader that waits is woken by it.
        _client.Bytes.Break();
        _server.Bytes.Break();
    }

    private void Count(int bytes, bool upward)
    {
        if (upward)
        {
            _counters.AddClientToServer(bytes);
        }
        else
        {
            _counters.AddServerToClient(bytes);
        }
    }

    private static bool IsEnd(Exception e) => e is IOException or SocketException or OperationCanceledException or ObjectDisposedException or InvalidOperationException;
}
