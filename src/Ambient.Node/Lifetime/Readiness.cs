namespace Ambient.Node.Lifetime;

/// <summary>What a host still waits for before it is ready: named tasks, each done once.</summary>
internal sealed class Readiness
{
    private readonly Lock _lock = new();
    private readonly SortedSet<string> _pending = new(StringComparer.Ordinal);

    /// <summary>Whether nothing is pending.</summary>
    public bool IsReady
    {
        get
        {
            lock (_lock)
            {
                return _pending.Count == 0;
            }
        }
    }

    /// <summary>Adds a task. The host is not ready until it is done.</summary>
    /// <returns>Marks the task as done.</returns>
    public Action Require(string task)
    {
        lock (_lock)
        {
            _pending.Add(task);
        }

        return () =>
        {
            lock (_lock)
            {
                _pending.Remove(task);
            }
        };
    }

    /// <summary>Pending tasks, sorted.</summary>
    public string[] Pending()
    {
        lock (_lock)
        {
            return [.. _pending];
        }
    }
}
