namespace Ambient.Hbone.Relaying;

/// <summary>Bytes that one relay has moved so far, read while it runs; and the way to end it, which costs an idle one nothing.</summary>
public sealed class RelayCounters
{
    private static readonly object s_aborted = new();
    private long _clientToServer;
    private long _serverToClient;

    // The relay that counts here, or that there is to be none.
    private object? _relay;

    /// <summary>Bytes from client to server.</summary>
    public long ClientToServer => Volatile.Read(ref _clientToServer);

    /// <summary>Bytes from server to client.</summary>
    public long ServerToClient => Volatile.Read(ref _serverToClient);

    /// <summary>Ends the relay of a tunnel that counts here, or is about to, in both directions at once. Any thread, any number of times.</summary>
    public void Abort() => (Interlocked.Exchange(ref _relay, s_aborted) as TunnelRelay)?.Abort();

    /// <summary>A relay begins to count here; it is aborted at once where that was asked for already.</summary>
    internal void Attach(TunnelRelay relay)
    {
        if (ReferenceEquals(Interlocked.CompareExchange(ref _relay, relay, null), s_aborted))
        {
            relay.Abort();
        }
    }

    /// <summary>The relay is over.</summary>
    internal void Detach(TunnelRelay relay) => Interlocked.CompareExchange(ref _relay, null, relay);

    /// <summary>Counts bytes on their way to the server, where the relay is not one of <see cref="Relay"/>'s.</summary>
    public void AddClientToServer(long bytes) => Interlocked.Add(ref _clientToServer, bytes);

    /// <summary>Counts bytes on their way to the client, where the relay is not one of <see cref="Relay"/>'s.</summary>
    public void AddServerToClient(long bytes) => Interlocked.Add(ref _serverToClient, bytes);
}
