namespace Ambient.Hbone.Relaying;

/// <summary>Bytes moved so far; read while the relay runs.</summary>
public sealed class RelayCounters
{
    private long _clientToServer;
    private long _serverToClient;

    /// <summary>Bytes from client to server.</summary>
    public long ClientToServer => Volatile.Read(ref _clientToServer);

    /// <summary>Bytes from server to client.</summary>
    public long ServerToClient => Volatile.Read(ref _serverToClient);

    /// <summary>Counts bytes on their way to the server, where the relay is not one of <see cref="Relay"/>'s.</summary>
    public void AddClientToServer(long bytes) => Interlocked.Add(ref _clientToServer, bytes);

    /// <summary>Counts bytes on their way to the client, where the relay is not one of <see cref="Relay"/>'s.</summary>
    public void AddServerToClient(long bytes) => Interlocked.Add(ref _serverToClient, bytes);
}
