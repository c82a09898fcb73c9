using System.Collections.Immutable;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Ambient.Identity;

/// <summary>
/// An X.509 SVID: leaf with its private key, intermediates, and the roots that peers are verified against.
/// Shared by every connection that presents it; not disposed while a cache may still hand it out.
/// </summary>
public sealed class X509Svid
{
    private SslStreamCertificateContext? _tlsContext;

    /// <summary>Creates an SVID from its parts.</summary>
    /// <param name="id">The identity in the leaf's URI SAN.</param>
    /// <param name="leaf">Leaf, with private key.</param>
    /// <param name="intermediates">What lies between leaf and root, leaf's issuer first; never the root.</param>
    /// <param name="roots">Roots that peers are verified against.</param>
    public X509Svid(SpiffeId id, X509Certificate2 leaf, ImmutableArray<X509Certificate2> intermediates, TrustBundle roots)
    {
        ArgumentNullException.ThrowIfNull(id);
        ArgumentNullException.ThrowIfNull(leaf);
        ArgumentNullException.ThrowIfNull(roots);
        Id = id;
        Leaf = leaf;
        Intermediates = intermediates.IsDefault ? [] : intermediates;
        Roots = roots;
        NotBefore = leaf.NotBefore.ToUniversalTime();
        NotAfter = leaf.NotAfter.ToUniversalTime();
    }

    /// <summary>The identity in the leaf's URI SAN.</summary>
    public SpiffeId Id { get; }

    /// <summary>Leaf certificate, with private key.</summary>
    public X509Certificate2 Leaf { get; }

    /// <summary>Intermediates to present after the leaf; never the root.</summary>
    public ImmutableArray<X509Certificate2> Intermediates { get; }

    /// <summary>Roots delivered with this SVID.</summary>
    public TrustBundle Roots { get; }

    /// <summary>When the leaf becomes valid (UTC).</summary>
    public DateTimeOffset NotBefore { get; }

    /// <summary>When the leaf expires (UTC).</summary>
    public DateTimeOffset NotAfter { get; }

    /// <summary>The middle of the leaf's life, when a new one is due.</summary>
    public DateTimeOffset HalfLife => NotBefore + ((NotAfter - NotBefore) / 2);

    /// <summary>What <see cref="SslStream"/> presents; built once an SVID.</summary>
    public SslStreamCertificateContext TlsContext
    {
        get
        {
            if (_tlsContext is { } built)
            {
                return built;
            }

            // Offline: a handshake never waits for somebody's OCSP or AIA server. Our roots named: the chain is what we say, not what
            // the machine's stores would make of it.
            var trust = SslCertificateTrust.CreateForX509Collection(Roots.Collection, sendTrustInHandshake: false);
            var context = SslStreamCertificateContext.Create(Leaf, [.. Intermediates], offline: true, trust);
            return Interlocked.CompareExchange(ref _tlsContext, context, null) ?? context;
        }
    }

    /// <summary>Reads an SVID from PEM texts.</summary>
    /// <param name="chainPem">Leaf, then intermediates.</param>
    /// <param name="keyPem">The leaf's private key, not encrypted (PKCS#8, SEC 1, PKCS#1): of an elliptic curve, or RSA.</param>
    /// <param name="roots">Roots that peers are verified against.</param>
    /// <exception cref="FormatException">A text cannot be read, key and leaf do not match, or the leaf names no SPIFFE ID.</exception>
    public static X509Svid FromPem(ReadOnlySpan<char> chainPem, ReadOnlySpan<char> keyPem, TrustBundle roots)
    {
        var chain = PemCertificates.Read(chainPem);
        var id = IdOf(chain[0]);
        using var key = NewKeyFor(chain[0]);
        try
        {
            key.ImportFromPem(keyPem);
            return WithKey(id, chain, key, roots);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException or NotSupportedException)
        {
            throw NotItsKey(e);
        }
    }

    /// <summary>Reads an SVID from DER.</summary>
    /// <param name="chain">Leaf, then intermediates, one after the other.</param>
    /// <param name="key">The leaf's private key, not encrypted (PKCS#8): of an elliptic curve, or RSA.</param>
    /// <param name="roots">Roots that peers are verified against.</param>
    /// <exception cref="FormatException">A part cannot be read, key and leaf do not match, or the leaf names no SPIFFE ID.</exception>
    public static X509Svid FromDer(ReadOnlySpan<byte> chain, ReadOnlySpan<byte> key, TrustBundle roots)
    {
        var certificates = DerCertificates.Read(chain);
        var id = IdOf(certificates[0]);
        using var imported = NewKeyFor(certificates[0]);
        try
        {
            imported.ImportPkcs8PrivateKey(key, out var length);
            return length == key.Length ? WithKey(id, certificates, imported, roots) : throw new CryptographicException("there is more after it");
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException or NotSupportedException)
        {
            throw NotItsKey(e);
        }
    }

    /// <summary>Leaf and intermediates as concatenated PEM certificates.</summary>
    public string ChainToPem() => PemCertificates.Write([Leaf, .. Intermediates]);

    /// <summary>The private key as PKCS#8 PEM. A secret: write it only to files that their owner alone can read.</summary>
    /// <exception cref="CryptographicException">The key cannot be exported, or is neither of an elliptic curve nor RSA.</exception>
    public string ExportPrivateKeyPem()
    {
        using AsymmetricAlgorithm key = (AsymmetricAlgorithm?)Leaf.GetECDsaPrivateKey() ?? Leaf.GetRSAPrivateKey()
            ?? throw new CryptographicException("the leaf's key is neither of an elliptic curve nor RSA");
        return key.ExportPkcs8PrivateKeyPem() + "\n";
    }

    /// <summary>Reads all of the leaf that is used later: nothing that a certificate holds may surprise a handshake.</summary>
    private static SpiffeId IdOf(X509Certificate2 leaf)
    {
        try
        {
            _ = (leaf.NotBefore, leaf.NotAfter, leaf.SerialNumberBytes);
            var identity = SvidSubject.Read(leaf);
            return identity.Id ?? throw new FormatException($"the leaf is no SVID: {identity.Fault}");
        }
        catch (CryptographicException e)
        {
            throw new FormatException($"the leaf cannot be read: {e.Message}", e);
        }
    }

    /// <summary>A key of the leaf's kind, still without content.</summary>
    private static AsymmetricAlgorithm NewKeyFor(X509Certificate2 leaf)
    {
        try
        {
            using var rsa = leaf.GetRSAPublicKey();
            return rsa is null ? ECDsa.Create() : RSA.Create();
        }
        catch (CryptographicException e)
        {
            throw new FormatException($"the leaf's public key cannot be read: {e.Message}", e);
        }
    }

    private static X509Svid WithKey(SpiffeId id, ImmutableArray<X509Certificate2> chain, AsymmetricAlgorithm key, TrustBundle roots)
    {
        var leaf = key is RSA rsa ? chain[0].CopyWithPrivateKey(rsa) : chain[0].CopyWithPrivateKey((ECDsa)key);
        return new X509Svid(id, leaf, chain[1..], roots);
    }

    /// <summary>The message of the cause is about shape only; key material never reaches it. A curve that nobody knows is a NotSupportedException.</summary>
    private static FormatException NotItsKey(Exception cause) => new($"the private key cannot be read or is not the leaf's: {cause.Message}", cause);

    /// <summary>Who, and until when.</summary>
    public override string ToString() => $"{Id} until {NotAfter:u}";
}
