using System.Net;
using Ambient.Identity;

namespace Ambient.Hbone.Connect;

/// <summary>A received CONNECT that waits for an answer: exactly one of <see cref="Accept"/> or <see cref="Reject"/>.</summary>
public abstract class HboneConnect
{
    private protected HboneConnect()
    {
    }

    /// <summary>The <c>:authority</c> as sent.</summary>
    public abstract string Authority { get; }

    /// <summary>Identity of the peer, from its certificate.</summary>
    public abstract SpiffeId PeerIdentity { get; }

    /// <summary>Address that the peer connects from; never IPv4-mapped.</summary>
    public abstract IPEndPoint RemoteEndPoint { get; }

    /// <summary>Address that the peer connected to; never IPv4-mapped.</summary>
    public abstract IPEndPoint LocalEndPoint { get; }

    /// <summary>The <c>baggage</c> header (several lines joined with a comma), or null.</summary>
    public abstract string? Baggage { get; }

    /// <summary>The <c>forwarded</c> header, or null.</summary>
    public abstract string? Forwarded { get; }

    /// <summary>The <c>traceparent</c> header, or null.</summary>
    public abstract string? TraceParent { get; }

    /// <summary>The <c>x-forwarded-network</c> header, or null.</summary>
    public abstract string? ForwardedNetwork { get; }

    /// <summary>The <c>x-istio-source</c> header, or null.</summary>
    public abstract string? RequestSource { get; }

    /// <summary>Cancelled when the stream is reset or its connection ends before an answer; after it see <see cref="HboneTunnel.Closed"/>.</summary>
    public abstract CancellationToken Aborted { get; }

    /// <summary>Answers 200 and hands over the tunnel.</summary>
    /// <param name="baggage">Value of a <c>baggage</c> response header, or null.</param>
    public abstract HboneTunnel Accept(string? baggage = null);

    /// <summary>Answers with an error status and ends the stream.</summary>
    /// <param name="statusCode">400 to 599.</param>
    public abstract void Reject(int statusCode);
}
