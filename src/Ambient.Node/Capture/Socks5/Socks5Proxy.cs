using System.Net;
using System.Net.Sockets;
using Ambient.Node.Capture.Dns;
using Ambient.Node.Connections;
using Ambient.Node.Lifetime;
using Ambient.Node.Sockets;
using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Capture.Socks5;

/// <summary>
/// Captures connections of clients that speak SOCKS5 on purpose, where nothing redirects them (RFC 1928). As in the original (ztunnel <c>proxy/socks5.rs</c>),
/// success is answered before the connection is made: a client sees a reset when it cannot be.
/// </summary>
internal sealed class Socks5Proxy
{
    private const int MostDiscarded = 64 * 1024;
    private static readonly TimeSpan s_handshake = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_resolution = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan s_goodbye = TimeSpan.FromSeconds(1);

    private readonly IHostResolver? _names;
    private readonly ConnectionLog _log;
    private readonly TimeProvider _time;

    /// <summary>Creates the proxy.</summary>
    /// <param name="names">Resolves what clients name; null: names are refused.</param>
    /// <param name="log">Told who was refused, and why.</param>
    /// <param name="time">Clock.</param>
    public Socks5Proxy(IHostResolver? names, ConnectionLog log, TimeProvider time)
    {
        _names = names;
        _log = log;
        _time = time;
    }

    /// <summary>Serves one client: handshake, then hands the connection on. Never throws.</summary>
    public async Task RunAsync(Socket client, LocalWorkload local, object? owner, Func<CapturedConnection, CancellationToken, Task> carry, CancellationToken deadline)
    {
        var accepted = _time.GetTimestamp();
        IPEndPoint source;
        try
        {
            source = EndPoints.Remote(client);
        }
        catch (SocketException)
        {
            client.Dispose();
            return;
        }

        var destination = await CaptureAsync(client, source, local, deadline).ConfigureAwait(false);
        if (destination is null)
        {
            await CloseAsync(client, deadline).ConfigureAwait(false);
            return;
        }

        await carry(new CapturedConnection(client, source, destination, accepted, local, owner), deadline).ConfigureAwait(false);
    }

    private async ValueTask<IPEndPoint?> CaptureAsync(Socket client, IPEndPoint source, LocalWorkload local, CancellationToken deadline)
    {
        try
        {
            var target = await ReadAsync(client, deadline).ConfigureAwait(false);
            var address = target.Address ?? await ResolveAsync(source, target.Name!, local, deadline).ConfigureAwait(false);
            await Socks5Handshake.ReplyAsync(client, Socks5Reply.Succeeded, deadline).ConfigureAwait(false);
            return new IPEndPoint(address, target.Port);
        }
        catch (Socks5Exception e)
        {
            Refused(client, source, $"socks5: {e.Message}");
            await TryReplyAsync(client, e.Reply, deadline).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The client left, or we stop.
        }

        return null;
    }

    private async ValueTask<Socks5Target> ReadAsync(Socket client, CancellationToken deadline)
    {
        using var limit = new TimeLimit(s_handshake, _time, deadline);
        try
        {
            return await Socks5Handshake.ReadAsync(client, limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (limit.HasPassed)
        {
            throw new Socks5Exception(Socks5Reply.Failure, $"no complete request within {s_handshake.TotalSeconds:0} s");
        }
    }

    private async ValueTask<IPAddress> ResolveAsync(IPEndPoint source, string name, LocalWorkload local, CancellationToken deadline)
    {
        if (_names is null)
        {
            throw new Socks5Exception(Socks5Reply.NotSupported, $"{name} cannot be resolved: the DNS proxy is off (ISTIO_META_DNS_CAPTURE)");
        }

        using var limit = new TimeLimit(s_resolution, _time, deadline);
        try
        {
            return await _names.ResolveAsync(name, source.AddressFamily, local, limit.Token).ConfigureAwait(false)
                ?? throw new Socks5Exception(Socks5Reply.HostUnreachable, $"{name} is not known to the mesh, nor to a name server");
        }
        catch (OperationCanceledException) when (limit.HasPassed)
        {
            throw new Socks5Exception(Socks5Reply.HostUnreachable, $"no name server answered for {name} within {s_resolution.TotalSeconds:0} s");
        }
    }

    /// <summary>Lets a client read why it was refused: closing with bytes of it unread would reset the connection, and take the reply along.</summary>
    private async ValueTask CloseAsync(Socket client, CancellationToken deadline)
    {
        using var limit = new TimeLimit(s_goodbye, _time, deadline);
        using (client)
        {
            try
            {
                client.Shutdown(SocketShutdown.Send);
                var discarded = new byte[512];
                for (var total = 0; total < MostDiscarded;)
                {
                    var read = await client.ReceiveAsync(discarded, limit.Token).ConfigureAwait(false);
                    if (read == 0)
                    {
                        return;
                    }

                    total += read;
                }
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
            {
                // It left, or has had its time.
            }
        }
    }

    private void Refused(Socket client, IPEndPoint source, string error)
    {
        try
        {
            _log.Failed(source, EndPoints.Local(client), TrafficDirection.Outbound, error);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Gone; there was nobody to refuse.
        }
    }

    private static async ValueTask TryReplyAsync(Socket client, Socks5Reply reply, CancellationToken cancellationToken)
    {
        try
        {
            await Socks5Handshake.ReplyAsync(client, reply, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // It does not listen any more.
        }
    }
}
