using Ambient.Hbone.Http2;

namespace Ambient.Hbone.Pooling;

/// <summary>Connections that run within tunnels, each for one stream: whom to ping, and whom to close with the client.</summary>
internal sealed class InnerConnections
{
    private readonly Lock _gate = new();
    private readonly HashSet<Http2Connection> _open = [];
    private bool _closed;

    /// <summary>Takes a connection on; one that comes after the close is ended at once.</summary>
    public void Add(Http2Connection connection)
    {
        lock (_gate)
        {
            if (!_closed)
            {
                _open.Add(connection);
                return;
            }
        }

        connection.Abort(null);
    }

    /// <summary>The stream of a connection is over: it takes its leave, and its carrier ends with it.</summary>
    public void End(Http2Connection connection)
    {
        lock (_gate)
        {
            _open.Remove(connection);
        }

        connection.ShutDown();
    }

    /// <summary>Time has passed: keepalive is due now and then.</summary>
    public void Tick()
    {
        foreach (var connection in Snapshot())
        {
            connection.Tick();
        }
    }

    /// <summary>Nothing is added any more. What is open is the caller's to end.</summary>
    public Http2Connection[] Close()
    {
        lock (_gate)
        {
            _closed = true;
            return [.. _open];
        }
    }

    private Http2Connection[] Snapshot()
    {
        lock (_gate)
        {
            return _open.Count == 0 ? [] : [.. _open];
        }
    }
}
