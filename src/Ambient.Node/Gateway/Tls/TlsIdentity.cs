using System.Collections.Immutable;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ambient.Node.Requests.Upstreams;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Gateway.Tls;

/// <summary>What a listener shows its clients, and whom of them it lets in: read once, and never changed.</summary>
internal sealed class TlsIdentity
{
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    private readonly ImmutableArray<(SslStreamCertificateContext Context, bool IsEcdsa)> _certificates;
    private readonly X509Certificate2Collection? _authorities;
    private readonly bool _clientOptional;
    private readonly bool _clientUnverified;
    private readonly bool _carriesRequests;
    private readonly SslProtocols _protocols = SslProtocols.Tls12 | SslProtocols.Tls13;
    private readonly ImmutableArray<string> _clientNames = [];

    private TlsIdentity(
        ImmutableArray<SslStreamCertificateContext> certificates, X509Certificate2Collection? authorities, bool clientOptional, bool clientUnverified, bool carriesRequests)
    {
        _certificates = [.. certificates.Select(context => (context, context.TargetCertificate.GetECDsaPublicKey() is { } key && Release(key)))];
        _authorities = authorities;
        _clientOptional = clientOptional;
        _clientUnverified = clientUnverified;
        _carriesRequests = carriesRequests;
    }

    private TlsIdentity(ListenerTls tls, ImmutableArray<SslStreamCertificateContext> certificates, X509Certificate2Collection? authorities, bool carriesRequests)
        : this(certificates, authorities, tls.AllowsInsecureFallback || tls.IsClientCertificateOptional, tls.AllowsInsecureFallback, carriesRequests)
    {
        // What is outside the mesh may not speak 1.3 yet.
        _protocols = (tls.RequiresTls13 ? SslProtocols.None : SslProtocols.Tls12) | (tls.ForbidsTls13 ? SslProtocols.None : SslProtocols.Tls13);
        _clientNames = tls.ClientNames;
    }

    /// <summary>Whether it depends on the client's ClientHello which certificate is shown.</summary>
    public bool HasChoice => _certificates.Length > 1;

    /// <summary>Reads the files.</summary>
    /// <exception cref="IOException">One cannot be read, or is not what it should be; the message names it.</exception>
    public static TlsIdentity Read(GatewayCertificate files)
    {
        try
        {
            var context = UpstreamTls.ContextOf(File.ReadAllText(files.CertificateFile), File.ReadAllText(files.KeyFile));
            var authorities = files.ClientAuthorityFile is null ? null : new X509Certificate2Collection();
            authorities?.ImportFromPemFile(files.ClientAuthorityFile!);
            if (authorities is { Count: 0 })
            {
                throw new IOException($"{files.ClientAuthorityFile} has no certificate");
            }

            return new TlsIdentity([context], authorities, files.ClientCertificateOptional, clientUnverified: false, carriesRequests: true);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException or UnauthorizedAccessException)
        {
            throw new IOException($"listener {files.Listener}: {files.CertificateFile}, {files.KeyFile}: {e.Message}", e);
        }
    }

    /// <summary>Reads the files that the configuration names.</summary>
    /// <exception cref="IOException">One cannot be read, or is not what it should be; the message names it, and has nothing of its content.</exception>
    public static TlsIdentity Read(ListenerTls tls, bool carriesRequests)
    {
        var (authoritiesFile, certificateFile, keyFile) = tls.Files;
        try
        {
            X509Certificate2Collection? authorities = null;
            if (authoritiesFile is not null)
            {
                authorities = [];
                authorities.ImportFromPem(UpstreamTlsFiles.Read(authoritiesFile));
                if (authorities.Count == 0)
                {
                    throw new IOException($"{authoritiesFile} has no certificate");
                }
            }

            return new TlsIdentity(tls, [UpstreamTls.ContextOf(UpstreamTlsFiles.Read(certificateFile!), UpstreamTlsFiles.Read(keyFile!))], authorities, carriesRequests);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            // The exception may quote what it did not understand.
            throw new IOException($"{certificateFile} and {keyFile} are no certificate and its private key{(authoritiesFile is null ? "" : $", or {authoritiesFile} no authorities")}");
        }
    }

    /// <summary>Makes one of what the configuration says.</summary>
    /// <param name="tls">Certificates and authorities, all of which can be used.</param>
    /// <param name="carriesRequests">Whether it protects HTTP, of which the client chooses the version.</param>
    public static TlsIdentity Of(ListenerTls tls, bool carriesRequests)
    {
        X509Certificate2Collection? authorities = null;
        foreach (var bundle in tls.ClientAuthorities)
        {
            (authorities ??= []).ImportFromPem(bundle.Certificates);
        }

        return new TlsIdentity(tls, [.. tls.Certificates.Select(secret => UpstreamTls.ContextOf(secret.Certificates, secret.PrivateKey!.Reveal()))], authorities, carriesRequests);
    }

    /// <summary>For one handshake.</summary>
    /// <param name="hello">The ClientHello, where <see cref="HasChoice"/>.</param>
    /// <param name="onClient">Told whether the client's certificate verifies; not called where none is asked for.</param>
    public SslServerAuthenticationOptions OptionsFor(ReadOnlySpan<byte> hello, Action<bool> onClient) => new()
    {
        ServerCertificateContext = Choose(hello),
        ApplicationProtocols = _carriesRequests ? [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11] : null,
        EnabledSslProtocols = _protocols,
        AllowRenegotiation = false,
        ClientCertificateRequired = _authorities is not null,
        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        RemoteCertificateValidationCallback = _authorities is null ? null : (_, certificate, chain, _) =>
        {
            var verified = certificate is not null && IsVerified(certificate, chain);
            onClient(verified);
            return verified || (certificate is null ? _clientOptional : _clientUnverified);
        },
    };

    private static bool Release(ECDsa key)
    {
        key.Dispose();
        return true;
    }

    /// <summary>The certificate for a key that the client can verify signatures of: ECDSA before RSA, as it costs both sides less.</summary>
    private SslStreamCertificateContext Choose(ReadOnlySpan<byte> hello)
    {
        if (HasChoice)
        {
            var ecdsa = ClientHello.TakesEcdsa(hello);
            foreach (var (context, isEcdsa) in _certificates)
            {
                if (isEcdsa == ecdsa)
                {
                    return context;
                }
            }
        }

        return _certificates[0].Context;
    }

    private bool IsVerified(X509Certificate certificate, X509Chain? chain)
    {
        using var own = new X509Chain();
        own.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        own.ChainPolicy.CustomTrustStore.AddRange(_authorities!);
        own.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        own.ChainPolicy.DisableCertificateDownloads = true;
        own.ChainPolicy.ApplicationPolicy.Add(new Oid(ClientAuthentication));
        if (chain is not null)
        {
            own.ChainPolicy.ExtraStore.AddRange(chain.ChainPolicy.ExtraStore);
        }

        using var presented = new X509Certificate2(certificate);
        return own.Build(presented)
            && (_clientNames.IsEmpty || CertificateNames.Of(presented).Any(name => _clientNames.Contains(name.Value, StringComparer.Ordinal)));
    }
}
