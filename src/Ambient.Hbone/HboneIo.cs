using Ambient.Hbone.Sockets;

namespace Ambient.Hbone;

/// <summary>Process-wide settings of the data path, for hosts: to be set before the first connection.</summary>
public static class HboneIo
{
    /// <summary>
    /// Threads that move bytes on Linux, at least 1; by default one for each processor and at most 4. A connection and
    /// what is relayed to it stay on one of them. Later changes have no effect.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is less than 1.</exception>
    public static int Threads
    {
        get => EventLoop.Count;
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
            EventLoop.Count = value;
        }
    }
}
