using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Ambient.Mesh;
using Ambient.Node.Requests.Upstreams.Balancing;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>The backends that requests were sent to. One goes with its service.</summary>
/// <param name="options">Settings of connections where nothing else is said.</param>
/// <param name="time">Clock.</param>
/// <param name="metrics">Counts; null: nobody does.</param>
/// <param name="logger">Told of endpoints that are left out and come back; null: nobody is.</param>
/// <param name="retired">Told of connections' settings that nobody uses any more.</param>
internal sealed partial class Backends(UpstreamOptions options, TimeProvider time, BackendMetrics? metrics, ILogger? logger, Action<BackendLimits> retired)
{
    private const int RecentOnes = 64;

    private readonly ConcurrentDictionary<BackendKey, Backend> _backends = new();
    private readonly Recent?[] _recent = new Recent?[RecentOnes];

    /// <summary>All of them.</summary>
    public IEnumerable<Backend> All => _backends.Values;

    /// <summary>Settings of connections where nothing else is said.</summary>
    public UpstreamOptions Options => options;

    /// <summary>Clock.</summary>
    public TimeProvider Time => time;

    /// <summary>Counts; null: nobody does.</summary>
    public BackendMetrics? Metrics => metrics;

    /// <summary>A backend as a mesh has it.</summary>
    public BackendView Find(MeshSnapshot mesh, Workload self, MeshService service, int port, string? subset)
    {
        // Most requests are for the few that others were for just now: those are found without reading names.
        ref var recent = ref _recent[(uint)(RuntimeHelpers.GetHashCode(service) + port) % RecentOnes];
        if (Volatile.Read(ref recent) is { Backend.HasEnded: false } last && ReferenceEquals(last.Service, service) && last.Backend.Key.Port == port && ReferenceEquals(last.Subset, subset))
        {
            return last.Backend.At(mesh, self, service);
        }

        var key = new BackendKey(service.Key, port, subset);
        var backend = _backends.TryGetValue(key, out var known) ? known : _backends.GetOrAdd(key, static (key, owner) => new Backend(owner, key), this);
        Volatile.Write(ref recent, new Recent(service, subset, backend));
        return backend.At(mesh, self, service);
    }

    /// <summary>Lets go of those whose service is gone.</summary>
    public void RetireGone(MeshSnapshot mesh)
    {
        // They hold their mesh.
        Array.Clear(_recent);
        foreach (var (key, backend) in _backends)
        {
            if (!mesh.Services.ContainsKey(key.Service) && _backends.TryRemove(KeyValuePair.Create(key, backend)))
            {
                backend.Close();
                if (backend.Current?.Limits is { } limits)
                {
                    retired(limits);
                }
            }
        }
    }

    /// <summary>Nothing is kept going any more.</summary>
    public void Close()
    {
        foreach (var (_, backend) in _backends)
        {
            backend.Close();
        }
    }

    /// <summary>Connections' settings were replaced.</summary>
    public void Retired(BackendLimits limits) => retired(limits);

    /// <summary>An endpoint was left out, or let in.</summary>
    public void Ejected(Backend backend, EndpointState endpoint)
    {
        var name = $"{endpoint.Workload.Namespace}/{endpoint.Workload.Name}";
        if (endpoint.IsEjected)
        {
            metrics?.Ejected();
            if (logger is not null)
            {
                LogEjected(logger, name, endpoint.Address, backend.Key.ToString(), endpoint.Record.Reason, backend.EjectionOf(endpoint).TotalSeconds);
            }
        }
        else if (logger is not null)
        {
            LogReturned(logger, name, endpoint.Address, backend.Key.ToString());
        }
    }

    [LoggerMessage(4220, LogLevel.Warning, "{Endpoint} at {Address} is left out of {Backend}: {Reason}; for {Seconds} s")]
    private static partial void LogEjected(ILogger logger, string endpoint, System.Net.IPEndPoint address, string backend, string reason, double seconds);

    [LoggerMessage(4221, LogLevel.Information, "{Endpoint} at {Address} is back in {Backend}")]
    private static partial void LogReturned(ILogger logger, string endpoint, System.Net.IPEndPoint address, string backend);

    private sealed record Recent(MeshService Service, string? Subset, Backend Backend);
}
