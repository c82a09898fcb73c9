using System.Net.Sockets;
using Ambient.Node.Protos.Zds;
using Ambient.Node.Sockets;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Capture.PodNetwork;

/// <summary>
/// The network plugin's side of a node's pods: tells ztunnels over a unix socket which pods there are, and hands them the pods'
/// network namespaces. A ztunnel that connects is told of all; one that came before it hears of removals only, since it is on its way
/// out (docs/protocol.md, "The network plugin"). Drives tests and the walkthrough; on a cluster the CNI does this.
/// </summary>
public sealed partial class ZdsServer : IAsyncDisposable
{
    private readonly Socket _listener;
    private readonly string _path;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _gate = new(1);
    private readonly Dictionary<string, ZdsPod> _pods = new(StringComparer.Ordinal);
    private readonly List<ZdsPeer> _peers = [];
    private readonly Task _accepting;
    private readonly List<Task> _welcomes = [];
    private int _welcomed;

    private ZdsServer(Socket listener, string path, TimeProvider time, ILogger logger)
    {
        _listener = listener;
        _path = path;
        _time = time;
        _logger = logger;
        _accepting = AcceptAsync();
    }

    /// <summary>How many ztunnels were given the snapshot so far.</summary>
    public int Welcomed => Volatile.Read(ref _welcomed);

    /// <summary>Listens on a path, where an old socket may lie.</summary>
    /// <exception cref="SocketException">The path cannot be had.</exception>
    public static ZdsServer Listen(string path, TimeProvider time, ILogger logger)
    {
        File.Delete(path);
        var listener = new Socket(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified);
        try
        {
            listener.Bind(new UnixDomainSocketEndPoint(path));
            listener.Listen(16);
            return new ZdsServer(listener, path, time, logger);
        }
        catch
        {
            listener.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Adds a pod, and tells the newest ztunnel. Returns its complaint; empty when it has none, null when no ztunnel is there to be told.
    /// </summary>
    public async Task<string?> AddAsync(ZdsPod pod, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pod);
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            _pods[pod.Uid] = pod;
            while (Newest() is { } newest)
            {
                if (await AskAsync(newest, Announce(pod), pod.Network).ConfigureAwait(false) is { } complaint)
                {
                    return complaint;
                }
            }

            return null;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Removes a pod, and tells every ztunnel. Returns what they complain of.</summary>
    public async Task<IReadOnlyList<string>> DeleteAsync(string uid, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            _pods.Remove(uid);
            var complaints = new List<string>();
            foreach (var peer in Peers())
            {
                if (await AskAsync(peer, new WorkloadRequest { Del = new DelWorkload { Uid = uid } }, null).ConfigureAwait(false) is { Length: > 0 } complaint)
                {
                    complaints.Add(complaint);
                }
            }

            return complaints;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        _listener.Dispose();
        await _accepting.ConfigureAwait(false);
        await Task.WhenAll(_welcomes).ConfigureAwait(false);
        foreach (var peer in Peers())
        {
            peer.Dispose();
        }

        File.Delete(_path);
        _stop.Dispose();
        _gate.Dispose();
    }

    private static WorkloadRequest Announce(ZdsPod pod) => pod.Network is null
        ? new WorkloadRequest { Keep = new KeepWorkload { Uid = pod.Uid } }
        : new WorkloadRequest
        {
            Add = new AddWorkload
            {
                Uid = pod.Uid,
                WorkloadInfo = new WorkloadInfo { Namespace = pod.Namespace, Name = pod.Name, ServiceAccount = pod.ServiceAccount },
            },
        };

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var socket = await _listener.AcceptAsync(_stop.Token).ConfigureAwait(false);
                _welcomes.RemoveAll(done => done.IsCompleted);
                _welcomes.Add(WelcomeAsync(new ZdsPeer(socket, _time)));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Disposed.
        }
    }

    private async Task WelcomeAsync(ZdsPeer peer)
    {
        try
        {
            await peer.HelloAsync(_stop.Token).ConfigureAwait(false);
            await _gate.WaitAsync(_stop.Token).ConfigureAwait(false);
            try
            {
                foreach (var pod in _pods.Values)
                {
                    if (await peer.AskAsync(Announce(pod), pod.Network, _stop.Token).ConfigureAwait(false) is { Length: > 0 } complaint)
                    {
                        LogComplaint(_logger, pod.Namespace, pod.Name, complaint);
                    }
                }

                await peer.AskAsync(new WorkloadRequest { SnapshotSent = new SnapshotSent() }, null, _stop.Token).ConfigureAwait(false);
                lock (_peers)
                {
                    _peers.Add(peer);
                }

                Interlocked.Increment(ref _welcomed);
                LogConnected(_logger, _pods.Count);
            }
            finally
            {
                _gate.Release();
            }
        }
        catch (IOException e)
        {
            LogGone(_logger, e.Message);
            peer.Dispose();
        }
        catch (OperationCanceledException)
        {
            peer.Dispose();
        }
    }

    /// <summary>Asks one that is connected; it is forgotten when it does not answer, and null returned.</summary>
    private async Task<string?> AskAsync(ZdsPeer peer, WorkloadRequest request, PodNamespace? network)
    {
        try
        {
            return await peer.AskAsync(request, network, _stop.Token).ConfigureAwait(false);
        }
        catch (IOException e)
        {
            LogGone(_logger, e.Message);
            lock (_peers)
            {
                _peers.Remove(peer);
            }

            peer.Dispose();
            return null;
        }
    }

    private ZdsPeer[] Peers()
    {
        lock (_peers)
        {
            return [.. _peers];
        }
    }

    private ZdsPeer? Newest()
    {
        lock (_peers)
        {
            return _peers.LastOrDefault();
        }
    }

    [LoggerMessage(5040, LogLevel.Information, "a ztunnel is connected, and told of {Count} pods")]
    private static partial void LogConnected(ILogger logger, int count);

    [LoggerMessage(5041, LogLevel.Warning, "a ztunnel does not serve {Namespace}/{Name}: {Complaint}. It tries again by itself")]
    private static partial void LogComplaint(ILogger logger, string @namespace, string name, string complaint);

    [LoggerMessage(5042, LogLevel.Information, "{Reason}")]
    private static partial void LogGone(ILogger logger, string reason);
}
