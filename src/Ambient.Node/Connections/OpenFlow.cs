using Ambient.Mesh;

namespace Ambient.Node.Connections;

/// <summary>
/// What a host keeps open for others and may have to end before they do: a connection, or a request. It stands in a
/// <see cref="ConnectionTable"/> from before it is authorized until it is over.
/// </summary>
internal abstract class OpenFlow
{
    private int _end;

    /// <summary>What it ends with, besides the process: a workload's listeners.</summary>
    public object? Owner { get; protected init; }

    /// <summary>Why the host ended it; the first cause stays.</summary>
    public ConnectionEnd EndedBy => (ConnectionEnd)Volatile.Read(ref _end);

    /// <summary><see cref="EndedBy"/> in words; null where the cause says it all.</summary>
    public string? EndReason { get; private set; }

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

    /// <summary>Asks whether it may stay open; where it may not, the cause is written down, and it is to be cut.</summary>
    internal abstract bool Objects(MeshSnapshot mesh);

    /// <summary>Ends it, after the cause was written down.</summary>
    internal abstract void Cut();

    /// <summary>Adds to the metrics what has moved since the last time.</summary>
    internal virtual void Report()
    {
    }

    /// <summary>Writes down why it is about to end; false when something else has ended it already.</summary>
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
