using System.Diagnostics.CodeAnalysis;

namespace Ambient.Hbone.Messages;

/// <summary>
/// A connection to a server of HTTP: one request after the other with HTTP/1.1, many at a time with HTTP/2. For a pool, which asks it for exchanges
/// and is told when there is room again. Disposing breaks off what is under way.
/// </summary>
public abstract class MessageClientConnection : IAsyncDisposable
{
    private protected MessageClientConnection()
    {
    }

    /// <summary>Whether it will take another request, now or when one has ended; never again once it is false.</summary>
    public abstract bool IsUsable { get; }

    /// <summary>Requests under way.</summary>
    public abstract int Active { get; }

    /// <summary>
    /// Called when an exchange has ended so that another can begin, and when the connection is not usable any more; not from within
    /// <see cref="TryBegin"/>, which says so itself. Any thread; must be short.
    /// </summary>
    public Action<MessageClientConnection>? OnChanged { get; set; }

    /// <summary>Begins a request. False: all places are taken now (<see cref="OnChanged"/> tells of the next), or the connection is not usable.</summary>
    public abstract bool TryBegin([NotNullWhen(true)] out ClientExchange? exchange);

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();
}
