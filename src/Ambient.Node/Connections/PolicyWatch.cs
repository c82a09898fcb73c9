using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Inbound;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Policy.Authorization;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Connections;

/// <summary>
/// Asks policy again about open inbound connections whenever policies change, or the list of a workload's policies does, and ends
/// those that would not be let in any more (reference/ztunnel.md 4.3). Works on a thread of its own pace: changes that come
/// while it works are taken together.
/// </summary>
internal sealed partial class PolicyWatch : IDisposable
{
    private readonly ConnectionTable _connections;
    private readonly IMeshSnapshotProvider _mesh;
    private readonly ILogger _logger;
    private readonly IDisposable _subscription;
    private readonly Lock _checking = new();
    private ImmutableDictionary<string, AuthorizationPolicy> _policies;
    private int _pending;

    /// <summary>Begins to watch.</summary>
    public PolicyWatch(IMeshSnapshotProvider mesh, ConnectionTable connections, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        _mesh = mesh;
        _connections = connections;
        _logger = logger;
        _policies = mesh.Current.Policies;
        _subscription = mesh.OnChange(_ =>
        {
            if (Interlocked.Exchange(ref _pending, 1) == 0)
            {
                ThreadPool.UnsafeQueueUserWorkItem(static watch => watch.Check(), this, preferLocal: false);
            }
        });
    }

    /// <summary>Stops watching.</summary>
    public void Dispose() => _subscription.Dispose();

    /// <summary>Asks about every open inbound connection that the newest snapshot may concern.</summary>
    private void Check()
    {
        lock (_checking)
        {
            Volatile.Write(ref _pending, 0);
            var mesh = _mesh.Current;
            var policiesChanged = !ReferenceEquals(mesh.Policies, _policies);
            _policies = mesh.Policies;
            var ended = _connections.End(ConnectionEnd.PolicyChange, connection => IsRefused(mesh, connection, policiesChanged));
            if (ended > 0)
            {
                LogEnded(_logger, ended, mesh.Version);
            }
        }
    }

    private static bool IsRefused(MeshSnapshot mesh, OpenConnection connection, bool policiesChanged)
    {
        if (connection.Delivery is not { } delivery || connection.Parties is not { Direction: TrafficDirection.Inbound, DestinationWorkload: { } then })
        {
            return false;
        }

        // A workload that is gone from the mesh is judged as it was: its listeners end its connections, not policy.
        var now = mesh.Workloads.GetValueOrDefault(then.Uid) ?? then;
        if (!policiesChanged && ReferenceEquals(now, then))
        {
            return false;
        }

        return !ConnectionAuthorizer.Authorize(mesh, now, new ConnectionFacts(connection.Parties.Source, delivery, connection.Parties.SourceIdentity)).IsAllowed;
    }

    [LoggerMessage(1, LogLevel.Information, "policies changed (snapshot {Version}): {Count} open connections are no longer allowed and were closed")]
    private static partial void LogEnded(ILogger logger, int count, long version);
}
