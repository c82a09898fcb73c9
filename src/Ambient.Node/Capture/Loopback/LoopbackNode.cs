using System.Net;
using Ambient.Mesh;
using Ambient.Node.Capture.InPod;

namespace Ambient.Node.Capture.Loopback;

/// <summary>
/// A node without namespaces and without root (<c>PROXY_MODE=loopback</c>): every workload has a loopback address of its own, and
/// its listeners appear and go as the workload does in the mesh. An address that cannot be bound is logged once and tried
/// again; it never takes the others down.
/// </summary>
internal sealed class LoopbackNode : INodeCapture
{
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);

    private readonly Dictionary<string, (LoopbackWorkload Listeners, bool InMesh, string? Fault)> _workloads = new(StringComparer.Ordinal);
    private readonly LoopbackServices _services;
    private readonly string? _nodeName;
    private readonly SemaphoreSlim _changed = new(1, 1);
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _settled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile PodState[] _states = [];
    private IDisposable? _subscription;
    private Task _reconciling = Task.CompletedTask;

    /// <summary>Creates the node.</summary>
    /// <param name="nodeName">Node whose workloads are served; null: all.</param>
    /// <param name="services">What listeners need.</param>
    public LoopbackNode(string? nodeName, LoopbackServices services)
    {
        _nodeName = nodeName;
        _services = services;
    }

    /// <inheritdoc/>
    public Task StartAsync()
    {
        _subscription = _services.Mesh.OnChange(_ => Signal());
        _reconciling = FollowAsync();
        return _settled.Task;
    }

    /// <inheritdoc/>
    public async Task DrainAsync(CancellationToken deadline)
    {
        await StopFollowingAsync().ConfigureAwait(false);
        await Task.WhenAll(_workloads.Values.Select(workload => workload.Listeners.DrainAsync(deadline))).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopFollowingAsync().ConfigureAwait(false);
        foreach (var (listeners, _, _) in _workloads.Values)
        {
            await listeners.DisposeAsync().ConfigureAwait(false);
        }

        _workloads.Clear();
    }

    /// <summary>The workloads that have listeners here, as the admin endpoint shows them; one whose listeners are not all bound is pending.</summary>
    public IReadOnlyList<PodState> States() => _states;

    /// <summary>Whether a workload gets listeners here, and at which address.</summary>
    internal static IPAddress? AddressOf(Workload workload, string? nodeName)
    {
        if ((nodeName is not null && workload.Node != nodeName) || workload.NetworkMode != NetworkMode.Standard)
        {
            return null;
        }

        // Waypoints and members of the SDK speak HBONE themselves; their port is theirs to bind.
        return workload.NativeTunnel ? null : workload.Addresses.FirstOrDefault(IPAddress.IsLoopback);
    }

    private void Signal()
    {
        try
        {
            _changed.Release();
        }
        catch (SemaphoreFullException)
        {
            // A pass is due already, and will see this change too.
        }
    }

    private async Task StopFollowingAsync()
    {
        if (_stop.IsCancellationRequested)
        {
            return;
        }

        _subscription?.Dispose();
        await _stop.CancelAsync().ConfigureAwait(false);
        await _reconciling.ConfigureAwait(false);
    }

    private async Task FollowAsync()
    {
        await Task.Yield();
        var faulty = false;
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                if (faulty)
                {
                    await _changed.WaitAsync(_stop.Token).WaitAsync(Retry, _services.Time, _stop.Token).ConfigureAwait(false);
                }
                else
                {
                    await _changed.WaitAsync(_stop.Token).ConfigureAwait(false);
                }
            }
            catch (TimeoutException)
            {
                // Time to try again.
            }
            catch (OperationCanceledException)
            {
                _settled.TrySetResult();
                return;
            }

            try
            {
                faulty = await ReconcileAsync(_services.Mesh.Current).ConfigureAwait(false);
            }
#pragma warning disable CA1031 // One workload's trouble must not stop the node from following the mesh.
            catch (Exception e)
#pragma warning restore CA1031
            {
                _services.Logger.ReconcileFailed(e);
                faulty = true;
            }

            _states = [.. _workloads
                .OrderBy(workload => workload.Key, StringComparer.Ordinal)
                .Select(workload => new PodState(workload.Key, workload.Value.Listeners.Info, workload.Value.Fault is null ? workload.Value.Listeners : null))];
            _settled.TrySetResult();
        }
    }

    /// <summary>Brings listeners in line with a snapshot; true when something could not be bound.</summary>
    private async ValueTask<bool> ReconcileAsync(MeshSnapshot mesh)
    {
        // 1. What is gone, or has another address, goes first: its address may be somebody else's now.
        foreach (var (uid, (listeners, _, _)) in _workloads.ToArray())
        {
            if (!mesh.Workloads.TryGetValue(uid, out var workload) || !listeners.Address.Equals(AddressOf(workload, _nodeName)))
            {
                _workloads.Remove(uid);
                await listeners.DisposeAsync().ConfigureAwait(false);
                _services.Logger.Gone(listeners.Name, listeners.Address);
            }
        }

        // 2. What is here: bind what is missing.
        var faulty = false;
        foreach (var workload in _nodeName is null ? mesh.Workloads.Values : mesh.WorkloadsOfNode(_nodeName))
        {
            if (AddressOf(workload, _nodeName) is { } address)
            {
                faulty |= await ReconcileAsync(workload, address).ConfigureAwait(false);
            }
        }

        return faulty;
    }

    private async ValueTask<bool> ReconcileAsync(Workload workload, IPAddress address)
    {
        var inMesh = workload.Protocol == TunnelProtocol.Hbone;
        var known = _workloads.TryGetValue(workload.Uid, out var state);
        if (known && state.InMesh == inMesh && state.Fault is null)
        {
            return false;
        }

        var listeners = known ? state.Listeners : new LoopbackWorkload(workload, address, _services);
        var fault = await listeners.ReconcileAsync(inMesh).ConfigureAwait(false);
        _workloads[workload.Uid] = (listeners, inMesh, fault);
        if (fault is not null)
        {
            if (fault != state.Fault)
            {
                _services.Logger.NotBound(fault);
            }
        }
        else if (!known)
        {
            _services.Logger.Appeared(listeners.Name, address, inMesh ? $", {address}:15008 (HBONE)" : "; not in the mesh");
        }
        else if (state.InMesh != inMesh)
        {
            _services.Logger.Enrolment(listeners.Name, address, inMesh ? "now in" : "no longer in");
        }
        else
        {
            _services.Logger.BoundAfterAll(listeners.Name);
        }

        return fault is not null;
    }
}
