using System.Net.Security;
using Ambient.Hbone.Messages;

namespace Ambient.Node.Gateway.Tls;

/// <summary>A client of a port that speaks TLS: it has shaken hands, or is passed through.</summary>
/// <param name="Listener">The listener that it means.</param>
/// <param name="ServerName">The server name that it asked for, in lower case; empty: none.</param>
internal readonly record struct TlsArrival(TlsListener Listener, string ServerName)
{
    /// <summary>TLS, with hands shaken; null: it is passed through.</summary>
    public SslStream? Stream { get; init; }

    /// <summary>The client's bytes from the first one, where it is passed through.</summary>
    public MessageChannel? Opaque { get; init; }

    /// <summary>Whether the client has shown a certificate that verifies.</summary>
    public bool IsClientVerified { get; init; }
}
