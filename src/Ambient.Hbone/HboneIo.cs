using Ambient.Hbone.Sockets;
using Ambient.Hbone.Tls;

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

    /// <summary>
    /// Who does TLS in this process, in words for a log: OpenSSL with its version, called directly, or <see cref="System.Net.Security.SslStream"/>.
    /// The variable <c>AMBIENT_TLS</c> decides when the process starts (docs/operations.md).
    /// </summary>
    public static string Tls => TlsEngine.Default.Description;
}
