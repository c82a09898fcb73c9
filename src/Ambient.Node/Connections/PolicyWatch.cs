using Ambient.Mesh;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Connections;

/// <summary>
/// Checks everything that is open again whenever the mesh changes, and ends what would no longer be allowed. Each connection and
/// request knows what can affect it (<see cref="IConnectionGround"/>). Changes that arrive during a check
/// are handled together by the next one.
/// </summary>
internal sealed partial class PolicyWatch : IDisposable
{
    private readonly ConnectionTable _connections;
    private readonly IMeshSnapshotProvider _mesh;
    private readonly ILogger _logger;
    private readonly IDisposable _subscription;
    private readonly Lock _checking = new();
    private int _pending;

    /// <summary>Starts watching.</summary>
    public PolicyWatch(IMeshSnapshotProvider mesh, ConnectionTable connections, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        _mesh = mesh;
        _connections = connections;
        _logger = logger;
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

    private void Check()
    {
        lock (_checking)
        {
            Volatile.Write(ref _pending, 0);
            var mesh = _mesh.Current;
            var ended = _connections.Reconsider(mesh);
            if (ended > 0)
            {
                LogEnded(_logger, ended, mesh.Version);
            }
        }
    }

    [LoggerMessage(3000, LogLevel.Information, "policies changed (snapshot {Version}): {Count} open connections were no longer allowed and have been closed")]
    private static partial void LogEnded(ILogger logger, int count, long version);
}
