using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ambient.Certificates;
using Ambient.Identity;

namespace Ambient.Testing.Certificates;

/// <summary>
/// A certificate authority in memory that makes right and wrong certificates alike. Thread-safe; certificates live until the
/// garbage collector finds them.
/// </summary>
public sealed class TestAuthority : ICertificateAuthority
{
    private readonly X509Certificate2 _signer;
    private readonly ImmutableArray<X509Certificate2> _intermediates;
    private readonly TimeProvider _time;
    private readonly TimeSpan _lifetime;

    /// <summary>Makes a new root.</summary>
    /// <param name="trustDomain">Trust domain of the root.</param>
    /// <param name="lifetime">Life of leaves; an hour when null.</param>
    /// <param name="timeProvider">Clock.</param>
    public TestAuthority(string trustDomain = "cluster.local", TimeSpan? lifetime = null, TimeProvider? timeProvider = null)
        : this(null, [], null, TrustDomain.Parse(trustDomain), lifetime ?? TimeSpan.FromHours(1), timeProvider ?? TimeProvider.System)
    {
    }

    private TestAuthority(
        X509Certificate2? parent, ImmutableArray<X509Certificate2> intermediates, TrustBundle? roots, TrustDomain trustDomain, TimeSpan lifetime, TimeProvider time)
    {
        _time = time;
        _lifetime = lifetime;
        TrustDomain = trustDomain;
        var now = time.GetUtcNow();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var name = $"test {(parent is null ? "root" : "intermediate")} {Convert.ToHexString(RandomNumberGenerator.GetBytes(4))}";
        var request = SvidCertificate.Authority(name, trustDomain, key);
        if (parent is null)
        {
            _signer = request.CreateSelfSigned(now.AddDays(-400), now.AddDays(400));
            Roots = new TrustBundle([X509CertificateLoader.LoadCertificate(_signer.RawData)]);
            _intermediates = [];
        }
        else
        {
            // Within the parent's life, whatever the second says.
            var until = now.AddDays(300) < parent.NotAfter ? now.AddDays(300) : parent.NotAfter;
            using var signed = request.Create(parent, now.AddDays(-300), until, SvidCertificate.NewSerial());
            _signer = signed.CopyWithPrivateKey(key);
            Roots = roots!;
            _intermediates = [X509CertificateLoader.LoadCertificate(_signer.RawData), .. intermediates];
        }
    }

    /// <summary>Trust domain of the root.</summary>
    public TrustDomain TrustDomain { get; }

    /// <summary>The bundle that verifies what this authority issues.</summary>
    public TrustBundle Roots { get; }

    /// <summary>An intermediate authority under this one: its leaves carry it, and the same roots verify them.</summary>
    public TestAuthority Intermediate() => new(_signer, _intermediates, Roots, TrustDomain, _lifetime, _time);

    /// <inheritdoc/>
    public ValueTask<X509Svid> IssueAsync(SpiffeId id, CancellationToken cancellationToken = default) => new(Issue(id));

    /// <summary>A good SVID of <c>/ns/{ns}/sa/{serviceAccount}</c>.</summary>
    public X509Svid Issue(string ns, string serviceAccount) => Issue(SpiffeId.ForServiceAccount(TrustDomain, ns, serviceAccount));

    /// <summary>A good SVID of any ID, of another trust domain too.</summary>
    public X509Svid Issue(SpiffeId id) => Issue(id, new TestCertificate());

    /// <summary>An SVID with faults.</summary>
    /// <param name="id">What the SVID object says; the certificate's own SANs are those of <paramref name="shape"/> when it names any.</param>
    /// <param name="shape">What is wrong with it.</param>
    public X509Svid Issue(SpiffeId id, TestCertificate shape)
    {
        ArgumentNullException.ThrowIfNull(id);
        ArgumentNullException.ThrowIfNull(shape);
        using AsymmetricAlgorithm key = shape.Rsa ? RSA.Create(2048) : ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var now = _time.GetUtcNow();
        var request = shape.Request(shape.Uris ?? [id.ToString()], key);
        using var signed = request.Create(
            _signer.SubjectName,
            X509SignatureGenerator.CreateForECDsa(_signer.GetECDsaPrivateKey()!),
            shape.NotBefore ?? now.AddMinutes(-1),
            shape.NotAfter ?? now + _lifetime,
            SvidCertificate.NewSerial());
        var leaf = key is RSA rsa ? signed.CopyWithPrivateKey(rsa) : signed.CopyWithPrivateKey((ECDsa)key);
        return new X509Svid(id, leaf, _intermediates, Roots);
    }

    /// <summary>A certificate for a key that somebody else keeps, and the authority's own.</summary>
    public (X509Certificate2 Leaf, X509Certificate2 Authority) Sign(SpiffeId id, PublicKey key, TimeSpan? backdated = null)
    {
        ArgumentNullException.ThrowIfNull(id);
        var request = new CertificateRequest(new X500DistinguishedName(""), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(SvidCertificate.UriSan(id.ToString()));
        var now = _time.GetUtcNow();
        return (request.Create(_signer.SubjectName, X509SignatureGenerator.CreateForECDsa(_signer.GetECDsaPrivateKey()!), now - (backdated ?? TimeSpan.FromMinutes(1)), now + _lifetime, SvidCertificate.NewSerial()), _signer);
    }

    /// <summary>A certificate revocation list of this authority, in PEM.</summary>
    public string Revoke(params X509Certificate2[] certificates)
    {
        ArgumentNullException.ThrowIfNull(certificates);
        var list = new CertificateRevocationListBuilder();
        foreach (var certificate in certificates)
        {
            list.AddEntry(certificate);
        }

        var now = _time.GetUtcNow();
        return PemEncoding.WriteString("X509 CRL", list.Build(_signer, 1, now.AddHours(-1), HashAlgorithmName.SHA256, thisUpdate: now.AddHours(-2))) + "\n";
    }

    /// <summary>The authority's own certificate, without its key.</summary>
    public X509Certificate2 Certificate => X509CertificateLoader.LoadCertificate(_signer.RawData);

    /// <summary>Writes the root and its key where an <see cref="EmbeddedAuthority"/> of that folder finds them: a host then issues under this root.</summary>
    public void SaveRoot(string folder)
    {
        // As the authority wants it: open to nobody else.
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(folder);
        }
        else
        {
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        var key = Path.Combine(folder, "root-key.pem");
        File.WriteAllText(key, _signer.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        File.WriteAllText(Path.Combine(folder, "root-cert.pem"), _signer.ExportCertificatePem());
    }

    /// <summary>A certificate that had its time: valid until an hour ago.</summary>
    public X509Svid IssueExpired(SpiffeId id) =>
        Issue(id, new TestCertificate { NotBefore = _time.GetUtcNow().AddHours(-2), NotAfter = _time.GetUtcNow().AddHours(-1) });

    /// <summary>A certificate whose time is to come: valid from in an hour.</summary>
    public X509Svid IssueNotYetValid(SpiffeId id) =>
        Issue(id, new TestCertificate { NotBefore = _time.GetUtcNow().AddHours(1), NotAfter = _time.GetUtcNow().AddHours(2) });

    /// <summary>A certificate signed by nobody but itself.</summary>
    public X509Svid IssueSelfSigned(SpiffeId id)
    {
        ArgumentNullException.ThrowIfNull(id);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var now = _time.GetUtcNow();
        return new X509Svid(id, new TestCertificate().Request([id.ToString()], key).CreateSelfSigned(now.AddMinutes(-1), now + _lifetime), [], Roots);
    }
}
