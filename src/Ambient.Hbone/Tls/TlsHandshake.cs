using Ambient.Hbone.Admission;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Sockets;
using Ambient.Identity;

namespace Ambient.Hbone.Tls;

/// <summary>
/// The handshakes: TLS 1.3 only, mutual, ALPN <c>h2</c>, no server name, no resumption, our roots and nobody else's.
/// A failure throws <see cref="HboneException"/> with a sentence for the log; what the bytes travel on is closed then.
/// </summary>
internal static class TlsHandshake
{
    /// <summary>The client's side.</summary>
    /// <param name="channel">What the bytes travel on; owned from here.</param>
    /// <param name="svid">What we present.</param>
    /// <param name="accepted">Whom we accept.</param>
    /// <param name="revocation">Who is revoked; null: nobody is asked.</param>
    /// <param name="limits">What the server may make it cost.</param>
    /// <param name="engine">Who does it.</param>
    /// <param name="time">Clock.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static Task<(TlsTransport Transport, SpiffeId Peer)> AsClientAsync(
        IByteChannel channel,
        X509Svid svid,
        SpiffeIdMatcher accepted,
        PeerRevocation? revocation,
        HandshakeLimits limits,
        TlsEngine engine,
        TimeProvider time,
        CancellationToken cancellationToken)
    {
        var check = new PeerCheck(svid.Roots, PeerRole.Server, accepted, revocation, limits, time);
        return RunAsync(engine, new(channel, svid, IsServer: false, check, Turns: null, limits), time, cancellationToken);
    }

    /// <summary>The server's side.</summary>
    /// <param name="channel">What the bytes travel on; owned from here.</param>
    /// <param name="svid">What we present.</param>
    /// <param name="accepted">Which clients are let in.</param>
    /// <param name="revocation">Who is revoked; null: nobody is asked.</param>
    /// <param name="turns">When it may compute.</param>
    /// <param name="limits">What the client may make it cost.</param>
    /// <param name="engine">Who does it.</param>
    /// <param name="time">Clock.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static Task<(TlsTransport Transport, SpiffeId Peer)> AsServerAsync(
        IByteChannel channel,
        X509Svid svid,
        SpiffeIdMatcher accepted,
        PeerRevocation? revocation,
        HandshakeTurns turns,
        HandshakeLimits limits,
        TlsEngine engine,
        TimeProvider time,
        CancellationToken cancellationToken)
    {
        var check = new PeerCheck(svid.Roots, PeerRole.Client, accepted, revocation, limits, time);
        return RunAsync(engine, new(channel, svid, IsServer: true, check, turns, limits), time, cancellationToken);
    }

    private static async Task<(TlsTransport Transport, SpiffeId Peer)> RunAsync(TlsEngine engine, TlsEngine.Side side, TimeProvider time, CancellationToken cancellationToken)
    {
        var timeout = side.Limits.Timeout;
        using var deadline = new CancellationTokenSource(timeout, time);
        TlsTransport? transport = null;
        try
        {
            // Shutting the socket down is what wakes a wait on it.
            await using var onDeadline = deadline.Token.UnsafeRegister(static c => ((IByteChannel)c!).ShutdownBoth(), side.Channel).ConfigureAwait(false);
            await using var onCancel = cancellationToken.UnsafeRegister(static c => ((IByteChannel)c!).ShutdownBoth(), side.Channel).ConfigureAwait(false);
            transport = await engine.AuthenticateAsync(side).ConfigureAwait(false);
            deadline.Token.ThrowIfCancellationRequested();
            cancellationToken.ThrowIfCancellationRequested();
            return (transport, side.Check.Peer!);
        }
        catch (Exception e)
        {
            if (transport is not null)
            {
                await transport.DisposeAsync().ConfigureAwait(false);
            }

            side.Channel.Close();
            cancellationToken.ThrowIfCancellationRequested();
            throw new HboneException(HboneFailure.TlsFailed, Explain(e, side.Check, deadline.IsCancellationRequested, timeout), e);
        }
    }

    private static string Explain(Exception e, PeerCheck check, bool late, TimeSpan timeout)
    {
        if (check.Refusal is { } refusal)
        {
            return refusal;
        }

        return late ? $"the TLS handshake took longer than {timeout.TotalSeconds:0.#} s" : $"the TLS handshake failed: {Innermost(e).Message}";
    }

    private static Exception Innermost(Exception e) => e.InnerException is { } inner ? Innermost(inner) : e;
}
