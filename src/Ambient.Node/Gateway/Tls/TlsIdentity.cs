using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Ambient.Node.Gateway.Tls;

/// <summary>What a listener shows its clients, and whom of them it lets in: read once, and never changed.</summary>
internal sealed class TlsIdentity
{
    private readonly SslServerAuthenticationOptions _options;
    private readonly X509Certificate2Collection? _authorities;
    private readonly bool _clientOptional;

    private TlsIdentity(SslStreamCertificateContext context, X509Certificate2Collection? authorities, bool clientOptional)
    {
        _authorities = authorities;
        _clientOptional = clientOptional;
        _options = new SslServerAuthenticationOptions
        {
            ServerCertificateContext = context,
            ApplicationProtocols = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11],

            // What is outside the mesh may not speak 1.3 yet.
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            AllowRenegotiation = false,
            ClientCertificateRequired = authorities is not null,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            RemoteCertificateValidationCallback = authorities is null ? null : (_, certificate, chain, _) => IsClient(certificate, chain),
        };
    }

    /// <summary>Reads the files.</summary>
    /// <exception cref="IOException">One cannot be read, or is not what it should be; the message names it.</exception>
    public static TlsIdentity Read(GatewayCertificate files)
    {
        try
        {
            using var ephemeral = X509Certificate2.CreateFromPemFile(files.CertificateFile, files.KeyFile);
            var leaf = X509CertificateLoader.LoadPkcs12(ephemeral.Export(X509ContentType.Pfx), null);
            var chain = new X509Certificate2Collection();
            chain.ImportFromPemFile(files.CertificateFile);
            var authorities = files.ClientAuthorityFile is null ? null : new X509Certificate2Collection();
            authorities?.ImportFromPemFile(files.ClientAuthorityFile!);
            if (authorities is { Count: 0 })
            {
                throw new IOException($"{files.ClientAuthorityFile} has no certificate");
            }

            return new TlsIdentity(SslStreamCertificateContext.Create(leaf, chain, offline: true), authorities, files.ClientCertificateOptional);
        }
        catch (Exception e) when (e is System.Security.Cryptography.CryptographicException or ArgumentException or UnauthorizedAccessException)
        {
            throw new IOException($"listener {files.Listener}: {files.CertificateFile}, {files.KeyFile}: {e.Message}", e);
        }
    }

    /// <summary>For one handshake.</summary>
    public SslServerAuthenticationOptions Options => _options;

    private bool IsClient(X509Certificate? certificate, X509Chain? chain)
    {
        if (certificate is null)
        {
            return _clientOptional;
        }

        using var own = new X509Chain();
        own.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        own.ChainPolicy.CustomTrustStore.AddRange(_authorities!);
        own.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        own.ChainPolicy.DisableCertificateDownloads = true;
        own.ChainPolicy.ApplicationPolicy.Add(new System.Security.Cryptography.Oid("1.3.6.1.5.5.7.3.2"));
        if (chain is not null)
        {
            own.ChainPolicy.ExtraStore.AddRange(chain.ChainPolicy.ExtraStore);
        }

        using var presented = new X509Certificate2(certificate);
        return own.Build(presented);
    }
}
