namespace Ambient.Node.Lifetime;

/// <summary>What a host still waits for before it is ready: named tasks, each completed once.</summary>
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
    /// <returns>Call it to mark the task as done.</returns>
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
    /// Adds a condition that may fail again later. Call what is returned with a reason, which is shown as pending, and the host is not
    /// ready; call it with null, and the condition holds.
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
