namespace Ambient.Hbone.Sockets;

/// <summary>Where code that waits for a tunnel goes on.</summary>
internal static class IoContinuations
{
    /// <summary>
    /// Whether it goes on at once on the thread that did the I/O, as sockets do under the same switch. For hosts whose
    /// every continuation is short; elsewhere the thread pool stands between, because user code may block.
    /// </summary>
    public static bool Inline { get; } = Environment.GetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS") is "1" or "true";
}
