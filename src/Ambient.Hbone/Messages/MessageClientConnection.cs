using System.Diagnostics.CodeAnalysis;
using Ambient.Hbone.Http2.Exchanges;
using Ambient.Http;

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

    /// <summary>Begins HTTP over a channel, which the connection owns.</summary>
    /// <param name="channel">Channel of which nothing was received.</param>
    /// <param name="version">HTTP/1.1, or HTTP/2 with prior knowledge (RFC 9113 section 3.3); not HTTP/1.0.</param>
    /// <param name="options">Settings.</param>
    /// <param name="time">Clock.</param>
    /// <exception cref="ArgumentException">An option is out of range; the message names each.</exception>
    public static MessageClientConnection Open(MessageChannel channel, HttpProtocolVersion version, MessageClientOptions options, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(channel);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        options.Validate();
        return version switch
        {
            HttpProtocolVersion.Http11 => new Http1.Http1ClientConnection(channel, options),
            HttpProtocolVersion.Http2 => new Http2ClientConnection(channel, options, time),
            _ => throw new ArgumentOutOfRangeException(nameof(version)),
        };
    }

    /// <summary>Begins a request. False: all places are taken now (<see cref="OnChanged"/> tells of the next), or the connection is not usable.</summary>
    public abstract bool TryBegin([NotNullWhen(true)] out ClientExchange? exchange);

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();
}
