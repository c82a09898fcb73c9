using Ambient.Hbone.Http1;
using Ambient.Hbone.Http2.Exchanges;
using Ambient.Hbone.Messages;
using Ambient.Http;

namespace Ambient.Hbone;

/// <summary>Speaks HTTP/1.1 (RFC 9112) or HTTP/2 (RFC 9113) to a server, over a channel that somebody else has opened.</summary>
public static class MessageClient
{
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
            HttpProtocolVersion.Http11 => new Http1ClientConnection(channel, options),
            HttpProtocolVersion.Http2 => new Http2ClientConnection(channel, options, time),
            _ => throw new ArgumentOutOfRangeException(nameof(version)),
        };
    }
}
