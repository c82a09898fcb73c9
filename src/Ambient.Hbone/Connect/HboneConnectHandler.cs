namespace Ambient.Hbone.Connect;

/// <summary>
/// Handles one CONNECT: answers it, and completes when the tunnel it accepted is over. In a process that runs with
/// <c>DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS=1</c> it runs on the thread that serves the connection until its first
/// real wait, so it must not block; elsewhere on the thread pool.
/// </summary>
public delegate ValueTask HboneConnectHandler(HboneConnect connect, CancellationToken cancellationToken);
