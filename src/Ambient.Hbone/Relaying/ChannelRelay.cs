using System.Net.Sockets;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Http2.Framing;
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
            // A tunnel that is lost takes nothing any more: who waits for the other side's bytes has nowhere to send them.
            client.Bytes.Watch(new Waker(server.Bytes));
            server.Bytes.Watch(new Waker(client.Bytes));
            var up = relay.CopyAsync(client, server, upward: true);
            var down = relay.CopyAsync(server, client, upward: false);
            await up.ConfigureAwait(false);
            await down.ConfigureAwait(false);
            client.Bytes.Watch(null);
            server.Bytes.Watch(null);
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
                if (to.Bytes is TunnelChannel { IsGone: true })
                {
                    return;
                }

                buffer = IoBuffers.RentUpTo(size);
                var count = from.TryReceive(buffer.AsSpan(FrameHeader.Size, Math.Min(buffer.Length, IoBuffers.Piece) - FrameHeader.Size), out var error);
                if (count > 0)
                {
                    size = count == buffer.Length - FrameHeader.Size ? IoBuffers.Large : size;
                    var full = buffer;
                    buffer = null;
                    if (!await SendAsync(to, full, count, upward).ConfigureAwait(false))
                    {
                        return;
                    }

                    Count(count, upward);
                    moved += count;
                }
                else if (count == 0)
                {
                    to.Bytes.ShutdownSend();
                    return;
                }
                else if (error != SocketError.WouldBlock)
                {
                    // What came before it still leaves: a break takes along what waits for the end of the turn.
                    await (turn ??= new LoopTurn()).NextAsync().ConfigureAwait(false);
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

    /// <summary>Sends a buffer and gives it away. False: the target takes no more.</summary>
    private async ValueTask<bool> SendAsync(MessageChannel to, byte[] buffer, int count, bool upward)
    {
        try
        {
            await to.Bytes.SendOwnedAsync(buffer, FrameHeader.Size, count).ConfigureAwait(false);
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

    /// <summary>Has whoever waits for one side look again when the other ends or is lost.</summary>
    private sealed class Waker(IByteChannel other) : IHangUpWatcher
    {
        public void OnHangUp() => other.Wake();
    }
}
