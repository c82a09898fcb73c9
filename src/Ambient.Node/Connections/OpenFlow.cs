using Ambient.Mesh;

namespace Ambient.Node.Connections;

/// <summary>
/// What a host keeps open for others and may have to end before they do: a connection, or a request. It stands in a
/// <see cref="ConnectionTable"/> from before it is authorized until it is over.
/// </summary>
internal abstract class OpenFlow
{
    private int _end;

    /// <summary>Whatever takes it along when it ends, besides the process: a workload's listeners.</summary>
    public object? Owner { get; protected init; }

    /// <summary>Why the host ended it; the first cause stays.</summary>
    public ConnectionEnd EndedBy => (ConnectionEnd)Volatile.Read(ref _end);

    /// <summary><see cref="EndedBy"/> in words; null when the cause says everything.</summary>
    public string? EndReason { get; private set; }

    /// <summary>Where it stands in the table.</summary>
    internal ConnectionTable.Part? Part { get; set; }

    /// <summary>Neighbours in the table, under its lock.</summary>
    internal OpenFlow? Next { get; set; }

    internal OpenFlow? Previous { get; set; }

    internal bool Listed { get; set; }

    /// <summary>Ends it at once. Safe from any thread, any number of times.</summary>
    public void End(ConnectionEnd cause)
    {
        if (Claim(cause))
        {
            Cut();
        }
    }

    /// <summary>Checks whether it may stay open; if not, the cause is recorded and the caller must cut it.</summary>
    internal abstract bool Objects(MeshSnapshot mesh);

    /// <summary>Ends it, once the cause has been recorded.</summary>
    internal abstract void Cut();

    /// <summary>Adds the bytes moved since the last call to the metrics.</summary>
    internal virtual void Report()
    {
    }

    /// <summary>Records why it is about to end; false when something else has already ended it.</summary>
    internal bool Claim(ConnectionEnd cause, string? reason = null)
    {
        if (Interlocked.CompareExchange(ref _end, (int)cause, (int)ConnectionEnd.None) != (int)ConnectionEnd.None)
        {
            return false;
        }

        EndReason = reason;
        return true;
    }

    /// <summary>Forgets how it ended, before it stands for the next request.</summary>
    protected void Renew()
    {
        Volatile.Write(ref _end, (int)ConnectionEnd.None);
        EndReason = null;
    }
}
