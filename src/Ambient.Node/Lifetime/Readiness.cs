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

    /// <summary>
    /// Something that may come to be missing again. Returns what says so: with a reason, which is shown as pending, the host is not
    /// ready; with null nothing is missing.
    /// </summary>
    public Action<string?> Watch()
    {
        string? pending = null;
        return reason =>
        {
            lock (_lock)
            {
                if (pending is not null)
                {
                    _pending.Remove(pending);
                }

                if (reason is not null)
                {
                    _pending.Add(reason);
                }

                pending = reason;
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
