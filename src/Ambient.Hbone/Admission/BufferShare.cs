namespace Ambient.Hbone.Admission;

/// <summary>One connection's part of what is held for an identity. What it holds when it ends is given back. Thread-safe.</summary>
internal sealed class BufferShare(IdentityBudget identity)
{
    private readonly Lock _gate = new();
    private long _bytes;
    private bool _ended;

    /// <summary>Whether the identity's connections together hold all that they may.</summary>
    public bool IsFull => identity.IsFull;

    /// <summary>So many bytes more (or fewer) are held.</summary>
    public void Add(int bytes)
    {
        lock (_gate)
        {
            if (!_ended)
            {
                _bytes += bytes;
                identity.Add(bytes);
            }
        }
    }

    /// <summary>The connection is gone, and with it its buffers.</summary>
    public void End()
    {
        lock (_gate)
        {
            _ended = true;
            identity.Add(-_bytes);
            _bytes = 0;
        }
    }
}
