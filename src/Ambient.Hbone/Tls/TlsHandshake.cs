using System.Collections.Immutable;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
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
    private static readonly List<SslApplicationProtocol> s_protocols = [SslApplicationProtocol.Http2];
    private static readonly CipherSuitesPolicy? s_suites = CreateSuites();

    /// <summary>The client's side.</summary>
    /// <param name="channel">What the bytes travel on; owned from here.</param>
    /// <param name="svid">What we present.</param>
    /// <param name="accepted">Whom we accept.</param>
    /// <param name="revocation">Who is revoked; null: nobody is asked.</param>
    /// <param name="limits">What the server may make it cost.</param>
    /// <param name="time">Clock.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static Task<(TlsTransport Transport, SpiffeId Peer)> AsClientAsync(
        IByteChannel channel, X509Svid svid, ImmutableArray<SpiffeId> accepted, PeerRevocation? revocation, HandshakeLimits limits, TimeProvider time, CancellationToken cancellationToken)
    {
        var check = new PeerCheck(svid.Roots, PeerRole.Server, SpiffeIdMatcher.OneOf(accepted), revocation, limits, time);
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = string.Empty,
            EnabledSslProtocols = SslProtocols.Tls13,
            CipherSuitesPolicy = s_suites,
            ApplicationProtocols = s_protocols,
            AllowTlsResume = false,
            AllowRenegotiation = false,
            ClientCertificateContext = svid.TlsContext,
            CertificateChainPolicy = check.ChainPolicy,
            RemoteCertificateValidationCallback = check.Callback,
        };
        return RunAsync(channel, check, (tls, token) => tls.AuthenticateAsClientAsync(options, token), null, limits, time, cancellationToken);
    }

    /// <summary>The server's side: any peer of our own trust domain.</summary>
    /// <param name="socket">Accepted socket; owned from here.</param>
    /// <param name="svid">What we present.</param>
    /// <param name="revocation">Who is revoked; null: nobody is asked.</param>
    /// <param name="turns">When it may compute.</param>
    /// <param name="limits">What the client may make it cost.</param>
    /// <param name="time">Clock.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static Task<(TlsTransport Transport, SpiffeId Peer)> AsServerAsync(
        Socket socket, X509Svid svid, PeerRevocation? revocation, HandshakeTurns turns, HandshakeLimits limits, TimeProvider time, CancellationToken cancellationToken)
    {
        var check = new PeerCheck(svid.Roots, PeerRole.Client, SpiffeIdMatcher.MemberOf(TrustDomain.Parse(svid.Id.TrustDomain)), revocation, limits, time);
        var options = new SslServerAuthenticationOptions
        {
            EnabledSslProtocols = SslProtocols.Tls13,
            CipherSuitesPolicy = s_suites,
            ApplicationProtocols = s_protocols,
            AllowTlsResume = false,
            AllowRenegotiation = false,
            ServerCertificateContext = svid.TlsContext,
            ClientCertificateRequired = true,
            CertificateChainPolicy = check.ChainPolicy,
            RemoteCertificateValidationCallback = check.Callback,
        };
        return RunAsync(new SocketChannel(socket), check, (tls, token) => tls.AuthenticateAsServerAsync(options, token), turns, limits, time, cancellationToken);
    }

    private static async Task<(TlsTransport Transport, SpiffeId Peer)> RunAsync(
        IByteChannel channel, PeerCheck check, Func<SslStream, CancellationToken, Task> authenticate, HandshakeTurns? turns, HandshakeLimits limits, TimeProvider time, CancellationToken cancellationToken)
    {
        var records = new RecordStream(channel) { Limits = limits, Turns = turns };
        var tls = new SslStream(records, leaveInnerStreamOpen: false);
        using var deadline = new CancellationTokenSource(limits.Timeout, time);
        try
        {
            // Shutting the socket down is what wakes a wait on it.
            await using var onDeadline = deadline.Token.UnsafeRegister(static c => ((IByteChannel)c!).ShutdownBoth(), channel).ConfigureAwait(false);
            await using var onCancel = cancellationToken.UnsafeRegister(static c => ((IByteChannel)c!).ShutdownBoth(), channel).ConfigureAwait(false);
            await authenticate(tls, CancellationToken.None).ConfigureAwait(false);
            await records.FlushGatheredAsync().ConfigureAwait(false);
            deadline.Token.ThrowIfCancellationRequested();
            cancellationToken.ThrowIfCancellationRequested();
            return (new TlsTransport(channel, records, tls) { PeerPath = check.Path }, check.Peer!);
        }
        catch (Exception e)
        {
            await tls.DisposeAsync().ConfigureAwait(false);
            channel.Close();
            cancellationToken.ThrowIfCancellationRequested();
            throw new HboneException(HboneFailure.TlsFailed, Explain(e, check, deadline.IsCancellationRequested, limits.Timeout), e);
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

    private static CipherSuitesPolicy? CreateSuites()
    {
        if (OperatingSystem.IsWindows() || OperatingSystem.IsAndroid())
        {
            return null;
        }

        return new CipherSuitesPolicy([TlsCipherSuite.TLS_AES_256_GCM_SHA384, TlsCipherSuite.TLS_AES_128_GCM_SHA256]);
    }

    /// <summary>Verifies one peer, and keeps what was found.</summary>
    private sealed class PeerCheck(TrustBundle roots, PeerRole role, SpiffeIdMatcher accepted, PeerRevocation? revocation, HandshakeLimits limits, TimeProvider time)
    {
        public X509ChainPolicy ChainPolicy { get; } = SvidVerifier.CreateChainPolicy(roots, role, time.GetUtcNow());

        public SpiffeId? Peer { get; private set; }

        public string? Refusal { get; private set; }

        public VerifiedPath? Path { get; private set; }

        public bool Callback(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
        {
            if (chain?.ChainPolicy.ExtraStore.Count is { } presented && presented > limits.MaxCertificates + 1)
            {
                Refusal = $"the peer presented {presented} certificates; at most {limits.MaxCertificates} beside its own are accepted (MaxPeerCertificates)";
                return false;
            }

            var verification = SvidVerifier.Verify(certificate is null ? null : chain, roots, role, accepted, time.GetUtcNow());
            Peer = verification.Id;
            Refusal = verification.Reason;
            if (!verification.IsAccepted || revocation is null)
            {
                return verification.IsAccepted;
            }

            Path = VerifiedPath.Of(chain!);
            if (!revocation.Refuses(Path, role, out var reason))
            {
                return true;
            }

            (Peer, Refusal) = (null, reason);
            return false;
        }
    }
}
