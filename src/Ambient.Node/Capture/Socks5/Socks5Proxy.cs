using System.Net;
using System.Net.Sockets;
using Ambient.Mesh;
using Ambient.Node.Capture.Dns;
using Ambient.Node.Capture.Sockets;
using Ambient.Node.Diagnostics.AccessLog;

namespace Ambient.Node.Capture.Socks5;

/// <summary>
/// Captures connections of clients that speak SOCKS5 on purpose, where nothing redirects them. Names are resolved against the mesh, then
/// by the machine's resolver. As in the reference, success is answered before the connection is made: a client sees a reset when it
/// cannot be.
/// </summary>
internal sealed class Socks5Proxy
{
    private static readonly TimeSpan HandshakeTimeout = TimeSpan.FromSeconds(10);

    private readonly IMeshSnapshotProvider _mesh;
    private readonly NameRules _names;
    private readonly ConnectionLog _log;
    private readonly TimeProvider _time;

    /// <summary>Creates the proxy.</summary>
    public Socks5Proxy(IMeshSnapshotProvider mesh, NameRules names, ConnectionLog log, TimeProvider time)
    {
        _mesh = mesh;
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
            client.Dispose();
            return;
        }

        await carry(new CapturedConnection(client, source, destination, accepted, local, owner), deadline).ConfigureAwait(false);
    }

    private async ValueTask<IPEndPoint?> CaptureAsync(Socket client, IPEndPoint source, LocalWorkload local, CancellationToken deadline)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(deadline);
        using var timer = _time.CreateTimer(static state => ((CancellationTokenSource)state!).Cancel(), timeout, HandshakeTimeout, Timeout.InfiniteTimeSpan);
        try
        {
            var target = await Socks5Handshake.ReadAsync(client, timeout.Token).ConfigureAwait(false);
            var address = target.Address ?? await ResolveAsync(source, target.Name!, local, timeout.Token).ConfigureAwait(false);
            if (address is null)
            {
                Refused(client, source, $"socks5: {target.Name} is not known to the mesh, nor to this machine's resolver");
                await Socks5Handshake.ReplyAsync(client, Socks5Reply.HostUnreachable, timeout.Token).ConfigureAwait(false);
                return null;
            }

            await Socks5Handshake.ReplyAsync(client, Socks5Reply.Succeeded, timeout.Token).ConfigureAwait(false);
            return new IPEndPoint(address, target.Port);
        }
        catch (Socks5Exception e)
        {
            Refused(client, source, $"socks5: {e.Message}");
            await TryReplyAsync(client, e.Reply, timeout.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!deadline.IsCancellationRequested)
        {
            Refused(client, source, $"socks5: no complete request within {HandshakeTimeout.TotalSeconds:0} s");
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The client left, or we stop.
        }

        return null;
    }

    private async ValueTask<IPAddress?> ResolveAsync(IPEndPoint source, string name, LocalWorkload local, CancellationToken cancellationToken)
    {
        var workload = await local.GetAsync(cancellationToken).ConfigureAwait(false);
        if (workload is not null && MeshNames.Resolve(_mesh.Current, workload, name, _names, source.AddressFamily, Random.Shared) is { } known)
        {
            return known;
        }

        // A cluster name that the mesh does not know is known to nobody.
        if (name.TrimEnd('.').EndsWith(_names.ClusterDomain, StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        try
        {
            var addresses = await System.Net.Dns.GetHostAddressesAsync(name, cancellationToken).ConfigureAwait(false);
            return addresses.FirstOrDefault(address => address.AddressFamily == source.AddressFamily) ?? addresses.FirstOrDefault();
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            return null;
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
