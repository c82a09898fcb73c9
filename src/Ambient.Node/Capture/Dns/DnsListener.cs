using System.Net;
using System.Net.Sockets;
using Ambient.Node.Connections;
using Ambient.Node.Sockets;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Capture.Dns;

/// <summary>Where a workload's questions for names arrive, by UDP and TCP. Idle it holds two waiting calls and one small buffer for each address.</summary>
internal sealed class DnsListener : IAsyncDisposable
{
    private const int MostQuery = 4096;

    private readonly DnsProxy _proxy;
    private readonly DnsForwarder _forwarder;
    private readonly LocalWorkload _local;
    private readonly NodeSockets _sockets;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly List<Socket> _datagrams = [];
    private readonly List<Socket> _streams = [];
    private readonly List<Task> _loops = [];
    private readonly CancellationTokenSource _stop = new();

    /// <summary>Binds.</summary>
    /// <exception cref="IOException">An address cannot be had.</exception>
    public DnsListener(
        DnsProxy proxy, DnsForwarder forwarder, LocalWorkload local, NodeSockets sockets, IReadOnlyList<IPEndPoint> addresses, TimeProvider time, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(sockets);
        ArgumentNullException.ThrowIfNull(addresses);
        _proxy = proxy;
        _forwarder = forwarder;
        _local = local;
        _sockets = sockets;
        _time = time;
        _logger = logger;
        try
        {
            foreach (var address in addresses)
            {
                _datagrams.Add(sockets.ListenDatagram("dns", address));
                _streams.Add(sockets.Listen("dns", address, transparent: false));
            }
        }
        catch
        {
            Close();
            throw;
        }
    }

    /// <summary>Begins to answer.</summary>
    public void Start()
    {
        _loops.AddRange(_datagrams.Select(ReceiveAsync));
        _loops.AddRange(_streams.Select(listener => AcceptLoop.RunAsync("dns", listener, _sockets, ServeAsync, _time, _logger, _stop.Token)));
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        Close();
        await Task.WhenAll(_loops).ConfigureAwait(false);
        _stop.Dispose();
    }

    private void Close()
    {
        foreach (var socket in _datagrams)
        {
            socket.Dispose();
        }

        foreach (var socket in _streams)
        {
            socket.Dispose();
        }
    }

    private async Task ReceiveAsync(Socket socket)
    {
        var buffer = new byte[MostQuery];
        var any = new IPEndPoint(socket.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0);
        var port = ((IPEndPoint)socket.LocalEndPoint!).Port;
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var received = await socket.ReceiveFromAsync(buffer, SocketFlags.None, any, _stop.Token).ConfigureAwait(false);

                // A response from our own port is ours, by a sender that claimed to be us: answering it would never end.
                if (received.ReceivedBytes > 2 && (buffer[2] & 0x80) != 0 && ((IPEndPoint)received.RemoteEndPoint).Port == port)
                {
                    continue;
                }

                var answering = _proxy.AnswerAsync(buffer.AsMemory(0, received.ReceivedBytes), _local, _forwarder, tcp: false, _stop.Token);
                if (answering.IsCompletedSuccessfully)
                {
                    await SendAsync(socket, answering.Result, received.RemoteEndPoint).ConfigureAwait(false);
                }
                else
                {
                    // Whoever waits for another server keeps the bytes of the question.
                    var finishing = FinishAsync(answering, socket, received.RemoteEndPoint);
                    buffer = new byte[MostQuery];
                    _ = finishing;
                }
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException)
            {
                // An answer that could not be delivered is reported here (ICMP); the socket goes on.
            }
        }
    }

    private static async Task FinishAsync(ValueTask<byte[]?> answering, Socket socket, EndPoint client)
    {
        try
        {
            await SendAsync(socket, await answering.ConfigureAwait(false), client).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // It asks again, or we stop.
        }
    }

    private static async ValueTask SendAsync(Socket socket, byte[]? answer, EndPoint client)
    {
        if (answer is not null)
        {
            await socket.SendToAsync(answer, SocketFlags.None, client).ConfigureAwait(false);
        }
    }

    private Task ServeAsync(Socket client) => DnsConversation.RunAsync(client, (message, cancellationToken) =>
        _proxy.AnswerAsync(message, _local, _forwarder, tcp: true, cancellationToken), _time, _stop.Token);
}
