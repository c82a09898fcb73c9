using Ambient.Node.Lifetime;
using Ambient.Node.Sockets;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Capture.InPod;

/// <summary>Starts the proxy of a pod inside its network: listeners bound, accepting. Throws <see cref="IOException"/> or <see cref="PodNetworkException"/> when that cannot be.</summary>
internal delegate Task<INodeCapture> StartPodProxy(PodInfo pod, PodNamespace network);

/// <summary>
/// The proxies of a node's pods, kept in line with what the network plugin says (docs/protocol.md, "The network plugin"). Told one thing at a time, so nothing here
/// happens twice at once; what cannot be started is tried again until it can, or the pod goes.
/// </summary>
internal sealed partial class PodProxies : IAsyncDisposable
{
    private const string ReadinessTask = "workload proxy manager";

    private readonly StartPodProxy _start;
    private readonly PodMetrics _metrics;
    private readonly Readiness _readiness;
    private readonly ILogger _logger;
    private readonly SemaphoreSlim _gate = new(1);
    private readonly Dictionary<string, Pod> _running = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Pod> _pending = new(StringComparer.Ordinal);
    private readonly Lock _shown = new();
    private HashSet<string>? _snapshot = [];
    private Action? _ready;

    /// <summary>Creates the set, which is empty and not ready.</summary>
    public PodProxies(StartPodProxy start, PodMetrics metrics, Readiness readiness, ILogger logger)
    {
        _start = start;
        _metrics = metrics;
        _readiness = readiness;
        _logger = logger;
        _ready = readiness.Require(ReadinessTask);
    }

    /// <summary>Whether anything waits to be tried again.</summary>
    public bool HasPending => _metrics.Pending > 0;

    /// <summary>Pods and how they are, by UID.</summary>
    public PodState[] States()
    {
        lock (_shown)
        {
            return [.. _running.Values.Concat(_pending.Values)
                .Select(pod => new PodState(pod.Uid, pod.Info, pod.Proxy))
                .OrderBy(state => state.Uid, StringComparer.Ordinal)];
        }
    }

    /// <summary>The plugin is there again, and will tell everything anew.</summary>
    public Task ConnectedAsync() => InOrderAsync(async () =>
    {
        _snapshot = [];
        foreach (var pod in _pending.Values.ToArray())
        {
            await ForgetPendingAsync(pod.Uid).ConfigureAwait(false);
        }
    });

    /// <summary>The plugin is gone: what runs goes on, and we are not ready until it has told us again.</summary>
    public Task DisconnectedAsync() => InOrderAsync(() =>
    {
        _ready ??= _readiness.Require(ReadinessTask);
        return Task.CompletedTask;
    });

    /// <summary>A pod is there. Owns the network. Returns what went wrong, or null.</summary>
    public async Task<string?> AddAsync(string uid, PodInfo info, PodNamespace network)
    {
        string? complaint = null;
        await InOrderAsync(async () =>
        {
            _snapshot?.Add(uid);
            if (_running.TryGetValue(uid, out var running))
            {
                if (running.Network.Identity == network.Identity)
                {
                    network.Dispose();
                    return;
                }

                LogMoved(_logger, info.Namespace, info.Name);
                await StopAsync(running).ConfigureAwait(false);
            }

            await ForgetPendingAsync(uid).ConfigureAwait(false);
            complaint = await TryStartAsync(new Pod(uid, info, network)).ConfigureAwait(false);
        }).ConfigureAwait(false);
        return complaint;
    }

    /// <summary>A pod is there, and stays as it is.</summary>
    /// <exception cref="ZdsProtocolException">It is said after all pods were told.</exception>
    public Task KeepAsync(string uid) => InOrderAsync(() =>
    {
        _ = (_snapshot ?? throw new ZdsProtocolException($"pod {uid} is to be kept after the snapshot")).Add(uid);
        return Task.CompletedTask;
    });

    /// <summary>A pod is gone. Its connections end at once; before all pods were told, with those that were not.</summary>
    public Task DeleteAsync(string uid) => InOrderAsync(async () =>
    {
        await ForgetPendingAsync(uid).ConfigureAwait(false);
        if (_snapshot is { } snapshot)
        {
            snapshot.Remove(uid);
        }
        else if (_running.TryGetValue(uid, out var pod))
        {
            await StopAsync(pod).ConfigureAwait(false);
        }

        BecomeReady();
    });

    /// <summary>All pods were told: the others are gone.</summary>
    /// <exception cref="ZdsProtocolException">It is said for the second time.</exception>
    public Task SnapshotAsync() => InOrderAsync(async () =>
    {
        var told = _snapshot ?? throw new ZdsProtocolException("a second snapshot");
        _snapshot = null;
        foreach (var gone in _running.Values.Where(pod => !told.Contains(pod.Uid)).ToArray())
        {
            await StopAsync(gone).ConfigureAwait(false);
        }

        LogSnapshot(_logger, _running.Count, _pending.Count);
        BecomeReady();
    });

    /// <summary>Tries again to start what could not be started.</summary>
    public Task RetryAsync() => InOrderAsync(async () =>
    {
        foreach (var pod in _pending.Values.ToArray())
        {
            Take(_pending, pod);
            _metrics.Pending--;
            await TryStartAsync(pod).ConfigureAwait(false);
        }

        BecomeReady();
    });

    /// <summary>Stops accepting everywhere, and waits for what is open, all pods side by side.</summary>
    public async Task DrainAsync(CancellationToken deadline)
    {
        Task[] draining = [];
        await InOrderAsync(() =>
        {
            draining = [.. _running.Values.Select(pod => pod.Proxy!.DrainAsync(deadline))];
            return Task.CompletedTask;
        }).ConfigureAwait(false);
        await Task.WhenAll(draining).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await InOrderAsync(async () =>
        {
            foreach (var pod in _pending.Values.ToArray())
            {
                await ForgetPendingAsync(pod.Uid).ConfigureAwait(false);
            }

            foreach (var pod in _running.Values.ToArray())
            {
                await StopAsync(pod).ConfigureAwait(false);
            }
        }).ConfigureAwait(false);
        _gate.Dispose();
    }

    private async Task<string?> TryStartAsync(Pod pod)
    {
        try
        {
            pod.Proxy = await _start(pod.Info, pod.Network).ConfigureAwait(false);
            Put(_running, pod);
            _metrics.Active++;
            _metrics.Started.Increment();
            LogStarted(_logger, pod.Info.Namespace, pod.Info.Name);
            return null;
        }
        catch (Exception e) when (e is IOException or PodNetworkException or System.Net.Sockets.SocketException or UnauthorizedAccessException)
        {
            Put(_pending, pod);
            _metrics.Pending++;
            _ready ??= _readiness.Require(ReadinessTask);
            LogNotStarted(_logger, pod.Info.Namespace, pod.Info.Name, e.Message);
            return $"failure to start proxy : {e.Message}";
        }
    }

    private async Task StopAsync(Pod pod)
    {
        Take(_running, pod);
        _metrics.Active--;
        _metrics.Stopped.Increment();
        await pod.Proxy!.DisposeAsync().ConfigureAwait(false);
        pod.Network.Dispose();
        LogStopped(_logger, pod.Info.Namespace, pod.Info.Name);
    }

    private Task ForgetPendingAsync(string uid)
    {
        if (_pending.TryGetValue(uid, out var pod))
        {
            Take(_pending, pod);
            _metrics.Pending--;
            pod.Network.Dispose();
        }

        return Task.CompletedTask;
    }

    private void BecomeReady()
    {
        if (_snapshot is null && _pending.Count == 0)
        {
            _ready?.Invoke();
            _ready = null;
        }
    }

    private void Put(Dictionary<string, Pod> where, Pod pod)
    {
        lock (_shown)
        {
            where[pod.Uid] = pod;
        }
    }

    private void Take(Dictionary<string, Pod> where, Pod pod)
    {
        lock (_shown)
        {
            where.Remove(pod.Uid);
        }
    }

    private async Task InOrderAsync(Func<Task> action)
    {
        await _gate.WaitAsync().ConfigureAwait(false);
        try
        {
            await action().ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
        }
    }

    [LoggerMessage(5020, LogLevel.Information, "pod {Namespace}/{Name}: its traffic is carried")]
    private static partial void LogStarted(ILogger logger, string @namespace, string name);

    [LoggerMessage(5021, LogLevel.Error, "pod {Namespace}/{Name}: its traffic is not carried: {Reason}. Tried again every 5 s")]
    private static partial void LogNotStarted(ILogger logger, string @namespace, string name, string reason);

    [LoggerMessage(5022, LogLevel.Information, "pod {Namespace}/{Name} is gone; its connections are closed")]
    private static partial void LogStopped(ILogger logger, string @namespace, string name);

    [LoggerMessage(5023, LogLevel.Information, "pod {Namespace}/{Name} has another network now; its proxy is started anew there")]
    private static partial void LogMoved(ILogger logger, string @namespace, string name);

    [LoggerMessage(5024, LogLevel.Information, "the network plugin has told all pods of this node: {Running} are carried, {Pending} are not yet")]
    private static partial void LogSnapshot(ILogger logger, int running, int pending);

    private sealed class Pod(string uid, PodInfo info, PodNamespace network)
    {
        public string Uid { get; } = uid;

        public PodInfo Info { get; } = info;

        public PodNamespace Network { get; } = network;

        public INodeCapture? Proxy { get; set; }
    }
}
