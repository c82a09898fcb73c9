using System.Net.Sockets;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Relaying;

/// <summary>Socket to socket and back.</summary>
internal sealed class SocketRelay
{
    private readonly SocketChannel _client;
    private readonly SocketChannel _server;
    private readonly RelayCounters _counters;
    private readonly Lock _gate = new();
    private RelayOutcome? _outcome;

    private SocketRelay(Socket client, Socket server, RelayCounters counters, HboneIo io)
    {
        _client = new SocketChannel(client, io.NextLoop());
        _server = new SocketChannel(server, _client.Loop);
        _counters = counters;
    }

    public static async ValueTask<RelayOutcome> RunAsync(Socket client, Socket server, RelayCounters counters, HboneIo io, CancellationToken abort)
    {
        var relay = new SocketRelay(client, server, counters, io);
        var onAbort = abort.UnsafeRegister(static r => ((SocketRelay)r!).Abort(), relay);
        await using (onAbort.ConfigureAwait(false))
        {
            var up = relay.CopyAsync(relay._client, relay._server, upward: true);
            var down = relay.CopyAsync(relay._server, relay._client, upward: false);
            await up.ConfigureAwait(false);
            await down.ConfigureAwait(false);
        }

        relay._client.DetachToClose();
        relay._server.DetachToClose();
        if (!io.RunsInline)
        {
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        }

        lock (relay._gate)
        {
            return relay._outcome ?? new RelayOutcome(RelayEnd.Complete, null);
        }
    }

    private async Task CopyAsync(SocketChannel from, SocketChannel to, bool upward)
    {
        const int turnBudget = 512 * 1024;
        LoopTurn? turn = null;
        var size = IoBuffers.Medium;
        var read = 0;
        while (true)
        {
            await from.WaitToReceiveAsync().ConfigureAwait(false);
            bool more;
            do
            {
                var buffer = IoBuffers.RentUpTo(size);
                var failed = SocketError.Success;
                var count = from.TryReceive(buffer, out var error);
                if (count > 0)
                {
                    failed = await SendAsync(to, buffer.AsMemory(0, count)).ConfigureAwait(false);
                }

                IoBuffers.Return(buffer);
                if (count == 0 || (count < 0 && error != SocketError.WouldBlock))
                {
                    End(from, to, count == 0 ? SocketError.Success : error, readerFailed: true, upward);
                    return;
                }

                if (failed != SocketError.Success)
                {
                    End(from, to, failed, readerFailed: false, upward);
                    return;
                }

                if (count > 0)
                {
                    Count(count, upward);
                    read += count;
                }

                if (read >= turnBudget)
                {
                    read = 0;
                    await (turn ??= new LoopTurn()).NextAsync().ConfigureAwait(false);
                }

                more = count == buffer.Length;
                size = more ? IoBuffers.Large : size;
            }
            while (more);
        }
    }

    private static async ValueTask<SocketError> SendAsync(SocketChannel to, ReadOnlyMemory<byte> bytes)
    {
        var sent = to.TrySend(bytes.Span, out var error);
        if (sent == bytes.Length)
        {
            return SocketError.Success;
        }

        if (sent < 0 && error != SocketError.WouldBlock)
        {
            return error;
        }

        try
        {
            await to.SendAllAsync(bytes[Math.Max(sent, 0)..]).ConfigureAwait(false);
            return SocketError.Success;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return CodeOf(e);
        }
    }

    private static SocketError CodeOf(Exception e) => e is SocketException socket ? socket.SocketErrorCode : SocketError.OperationAborted;

    private void End(SocketChannel from, SocketChannel to, SocketError error, bool readerFailed, bool upward)
    {
        if (!SideFailure.IsOrdinary(error))
        {
            var client = readerFailed == upward;
            lock (_gate)
            {
                _outcome ??= new RelayOutcome(client ? RelayEnd.ClientFailed : RelayEnd.ServerFailed, new SocketException((int)error));
            }
        }

        to.ShutdownSend();
        if (error != SocketError.Success)
        {
            // One of the two takes or gives nothing any more, so the other direction must end as well.
            (readerFailed ? to : from).ShutdownReceive();
            (readerFailed ? to : from).ResetOnClose();
        }
    }

    private void Abort()
    {
        lock (_gate)
        {
            _outcome = new RelayOutcome(RelayEnd.Aborted, null);
        }

        _client.Abort();
        _server.Abort();
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
}
