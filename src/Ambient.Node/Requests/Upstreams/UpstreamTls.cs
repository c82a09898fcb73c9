using System.Net.Security;
using System.Runtime.CompilerServices;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ambient.Mesh;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>TLS to endpoints: whose certificate is taken, and which one is shown. Made once for what the configuration asks for.</summary>
internal sealed class UpstreamTls
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    private static readonly ConditionalWeakTable<BackendTls, UpstreamTls> s_made = [];
    private static readonly ConditionalWeakTable<TlsSecret, SslStreamCertificateContext> s_certificates = [];

    private readonly BackendTls _tls;
    private readonly X509Certificate2Collection _authorities = [];
    private readonly UpstreamTlsFiles? _files;

    private UpstreamTls(BackendTls tls)
    {
        _tls = tls;
        _files = tls.Files == TlsFiles.None ? null : new UpstreamTlsFiles(tls.Files);
        foreach (var bundle in tls.Authorities)
        {
            _authorities.ImportFromPem(bundle.Certificates);
        }
    }

    /// <summary>Shakes hands over a stream, which is owned from here.</summary>
    /// <param name="stream">Connection or tunnel to the endpoint.</param>
    /// <param name="endpoint">The endpoint, with the TLS that it asks for.</param>
    /// <param name="opaque">Whether bytes are passed on that nobody looks into: then nothing is said of what they are (RFC 7301).</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="IOException">The endpoint is not who it should be, or does not speak what it should.</exception>
    public static async Task<SslStream> ConnectAsync(Stream stream, UpstreamEndpoint endpoint, bool opaque, CancellationToken cancellationToken)
    {
        var tls = new SslStream(stream, leaveInnerStreamOpen: false);

        // Of a wildcard, the name that was dialled is meant.
        var check = new PeerCheck(endpoint.Tls!, endpoint.Tls!.ServerName.StartsWith("*.", StringComparison.Ordinal) ? endpoint.HostName ?? "" : endpoint.Tls.ServerName);
        try
        {
            // What it is made of may be no certificates: then the stream is let go, too.
            var own = s_made.GetValue(endpoint.Tls!, static tls => new UpstreamTls(tls));

            // The caller dials in any case: what a file does not have now fails this connection alone.
            var files = own._files is { } read ? await read.CurrentAsync(cancellationToken).ConfigureAwait(false) : null;
            await tls.AuthenticateAsClientAsync(own.OptionsFor(endpoint, opaque, check, files), cancellationToken).ConfigureAwait(false);
            return !opaque && endpoint.Http2 && tls.NegotiatedApplicationProtocol != SslApplicationProtocol.Http2
                ? throw new IOException("the endpoint does not speak HTTP/2 in TLS")
                : tls;
        }
        catch (Exception e)
        {
            await tls.DisposeAsync().ConfigureAwait(false);
            if (e is AuthenticationException or CryptographicException or InvalidOperationException)
            {
                throw new IOException($"TLS that {endpoint.Tls!.AskedBy} asks for: {check.Problem ?? e.Message}", e);
            }

            throw;
        }
    }

    private SslClientAuthenticationOptions OptionsFor(UpstreamEndpoint endpoint, bool opaque, PeerCheck check, UpstreamTlsFiles.Contents? files)
    {
        var policy = new X509ChainPolicy
        {
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.ApplicationPolicy.Add(new Oid(ServerAuthentication));
        if (_authorities.Count > 0 || files?.Authorities is not null)
        {
            policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            policy.CustomTrustStore.AddRange(_authorities);
            policy.CustomTrustStore.AddRange(files?.Authorities ?? []);
        }

        return new SslClientAuthenticationOptions
        {
            TargetHost = check.ServerName,
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            AllowRenegotiation = false,
            ApplicationProtocols = opaque ? null : endpoint.Http2 ? [SslApplicationProtocol.Http2] : [SslApplicationProtocol.Http11],
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            CertificateChainPolicy = policy,
            RemoteCertificateValidationCallback = check.IsAccepted,
            ClientCertificateContext = endpoint.ClientCertificate is { } shown ? s_certificates.GetValue(shown, ContextOf) : files?.Certificate,
        };
    }

    private static SslStreamCertificateContext ContextOf(TlsSecret secret) => ContextOf(secret.Certificates, secret.PrivateKey!.Reveal());

    /// <summary>A certificate to be shown, of PEM text.</summary>
    /// <exception cref="CryptographicException">It is none, or the key is not its own.</exception>
    internal static SslStreamCertificateContext ContextOf(string certificates, string privateKey)
    {
        using var ephemeral = X509Certificate2.CreateFromPem(certificates, privateKey);
        var leaf = X509CertificateLoader.LoadPkcs12(ephemeral.Export(X509ContentType.Pfx), null);
        var chain = new X509Certificate2Collection();
        chain.ImportFromPem(certificates);
        return SslStreamCertificateContext.Create(leaf, chain, offline: true);
    }

    /// <summary>Whether a certificate is one that the configuration asks for.</summary>
    private sealed class PeerCheck(BackendTls tls, string serverName)
    {
        /// <summary>Whom to ask for.</summary>
        public string ServerName => serverName;

        /// <summary>Why the certificate was not taken; null while it was, or was not seen.</summary>
        public string? Problem { get; private set; }

        public bool IsAccepted(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
        {
            Problem = ProblemOf(certificate, chain, errors);
            return Problem is null;
        }

        private string? ProblemOf(X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
        {
            if (tls.SkipsVerification)
            {
                return null;
            }

            if (certificate is not X509Certificate2 presented)
            {
                return "the endpoint showed no certificate";
            }

            if (errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors))
            {
                return $"the endpoint's certificate is not from an authority that is taken: {string.Join(", ", chain?.ChainStatus.Select(status => status.StatusInformation.Trim()) ?? [])}";
            }

            // With names of its own, the server name says only whom to ask for.
            if (tls.SubjectAltNames.IsEmpty)
            {
                return errors == SslPolicyErrors.None ? null : $"the endpoint's certificate is not for {serverName}";
            }

            return CertificateNames.Of(presented).Any(name => tls.SubjectAltNames.Any(wanted => Matches(wanted, name)))
                ? null
                : $"the endpoint's certificate is not for {string.Join(" or ", tls.SubjectAltNames.Select(name => name.Value))}";
        }

        private static bool Matches(SubjectAltName wanted, (bool IsUri, string Value) name) => wanted.IsUri
            ? name.IsUri && name.Value == wanted.Value
            : !name.IsUri && (name.Value.Equals(wanted.Value, StringComparison.OrdinalIgnoreCase)
                || (name.Value.StartsWith("*.", StringComparison.Ordinal) && wanted.Value.IndexOf('.', StringComparison.Ordinal) is var dot and > 0
                    && name.Value.AsSpan(1).Equals(wanted.Value.AsSpan(dot), StringComparison.OrdinalIgnoreCase)));
    }
}
