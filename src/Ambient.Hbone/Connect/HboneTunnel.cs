using System.IO.Pipelines;
using System.Net;
using Ambient.Identity;

namespace Ambient.Hbone.Connect;

/// <summary>
/// One tunnel: bytes both ways over one CONNECT stream, and who is at the other end. Completing
/// <see cref="Output"/> half-closes (END_STREAM); <see cref="Input"/> completes when the peer half-closes. Disposing
/// resets what is still open.
/// </summary>
public abstract class HboneTunnel : IDuplexPipe, IAsyncDisposable
{
    private protected HboneTunnel()
    {
    }

    /// <inheritdoc/>
    public abstract PipeReader Input { get; }

    /// <inheritdoc/>
    public abstract PipeWriter Output { get; }

    /// <summary>Identity of the peer, from its certificate.</summary>
    public abstract SpiffeId PeerIdentity { get; }

    /// <summary>The CONNECT's <c>:authority</c>.</summary>
    public abstract string Authority { get; }

    /// <summary>Remote address of the connection that carries the tunnel.</summary>
    public abstract IPEndPoint RemoteEndPoint { get; }

    /// <summary>Local address of the connection that carries the tunnel.</summary>
    public abstract IPEndPoint LocalEndPoint { get; }

    /// <summary>The <c>baggage</c> header of the peer's request or response, or null.</summary>
    public abstract string? PeerBaggage { get; }

    /// <summary>Cancelled when both directions have ended or the tunnel was reset.</summary>
    public abstract CancellationToken Closed { get; }

    /// <summary>Resets the stream at once. Safe to call at any time, any number of times.</summary>
    public abstract void Abort();

    /// <summary>
    /// Resets the stream with INTERNAL_ERROR (RFC 9113 section 7), so that what was cut off does not look complete at the peer, as it may after
    /// <see cref="Abort"/>. Safe to call at any time, any number of times.
    /// </summary>
    public abstract void Break();

    /// <summary>The tunnel as a stream, for <see cref="SocketsHttpHandler.ConnectCallback"/>. Disposing it disposes the tunnel.</summary>
    public abstract Stream AsStream();

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();
}
