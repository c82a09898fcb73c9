using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ambient.Identity;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Certificates;

/// <summary>
/// A certificate authority in this process: an ECDSA P-256 root kept in a folder that the hosts of one machine share.
/// For one machine and for tests; whoever can read the folder can be anybody.
/// </summary>
public sealed partial class EmbeddedAuthority : ICertificateAuthority, IDisposable
{
    private readonly X509Certificate2 _root;
    private readonly X509SignatureGenerator _signer;
    private readonly ECDsa _rootKey;
    private readonly TrustDomain _trustDomain;
    private readonly TimeSpan _leafLifetime;
    private readonly TimeProvider _time;
    private readonly string _rootPath;
    private readonly Lock _signing = new();

    private EmbeddedAuthority(X509Certificate2 root, TrustDomain trustDomain, string rootPath, TimeSpan leafLifetime, TimeProvider time)
    {
        _root = root;
        _rootKey = root.GetECDsaPrivateKey()!;
        _signer = X509SignatureGenerator.CreateForECDsa(_rootKey);
        _trustDomain = trustDomain;
        _rootPath = rootPath;
        _leafLifetime = leafLifetime;
        _time = time;
        RootExpires = root.NotAfter.ToUniversalTime();

        // Without its key: what is handed to everyone must not carry it.
        Roots = new TrustBundle([X509CertificateLoader.LoadCertificate(root.RawData)]);
    }

    /// <summary>The bundle that peers of this authority are verified against.</summary>
    public TrustBundle Roots { get; }

    /// <summary>When the root expires (UTC). Within ten per cent of its life from then, opening the folder logs a warning.</summary>
    public DateTimeOffset RootExpires { get; }

    /// <summary>Opens the authority of a folder, making its root when there is none. Safe for several processes at once.</summary>
    /// <exception cref="CertificateAuthorityException">The folder or a file in it is unusable; the message names it and says what to do.</exception>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public static async Task<EmbeddedAuthority> OpenAsync(
        EmbeddedAuthorityOptions options, TimeProvider? timeProvider = null, ILogger<EmbeddedAuthority>? logger = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentException.ThrowIfNullOrWhiteSpace(options.Folder);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.LeafLifetime, TimeSpan.FromSeconds(1));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.RootLifetime, options.LeafLifetime);
        ArgumentOutOfRangeException.ThrowIfNegative(options.LockTimeout.Ticks, nameof(options.LockTimeout));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.LockTimeout, TimeSpan.FromDays(1), nameof(options.LockTimeout));
        if (!TrustDomain.TryParse(options.TrustDomain, out var trustDomain))
        {
            throw new ArgumentException($"{options.TrustDomain} is not a trust domain (a-z, 0-9, '.', '-', '_')", nameof(options));
        }

        var time = timeProvider ?? TimeProvider.System;
        var folder = new RootFolder(options.Folder);
        var root = await folder.LoadOrCreateAsync(() => CreateRoot(trustDomain, options.RootLifetime, time.GetUtcNow()), options.LockTimeout, time, cancellationToken)
            .ConfigureAwait(false);
        try
        {
            Check(root, folder.CertificatePath, trustDomain, time.GetUtcNow(), logger ?? NullLogger<EmbeddedAuthority>.Instance);
            return new EmbeddedAuthority(root, trustDomain, folder.CertificatePath, options.LeafLifetime, time);
        }
        catch
        {
            root.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public ValueTask<X509Svid> IssueAsync(SpiffeId id, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(id);
        cancellationToken.ThrowIfCancellationRequested();
        if (!id.IsMemberOf(_trustDomain) || !SpiffeId.TryParse(id.ToString(), out _))
        {
            throw new CertificateAuthorityException($"embedded authority: {id} is no SPIFFE ID of trust domain {_trustDomain.Name}, so nothing is issued for it");
        }

        var now = _time.GetUtcNow();
        if (now >= RootExpires)
        {
            throw Expired(_rootPath, RootExpires);
        }

        // A little in the past, for peers whose clock is a little behind; little against the whole life, so that half-life stays ahead.
        var notBefore = now - Min(TimeSpan.FromMinutes(1), _leafLifetime / 10);
        var notAfter = Min(now + _leafLifetime, RootExpires);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = SvidCertificate.Leaf(id, key);
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(_root, includeKeyIdentifier: true, includeIssuerAndSerial: false));
        X509Certificate2 signed;
        lock (_signing)
        {
            signed = request.Create(_root.SubjectName, _signer, Max(notBefore, _root.NotBefore.ToUniversalTime()), notAfter, SvidCertificate.NewSerial());
        }

        using (signed)
        {
            return new ValueTask<X509Svid>(new X509Svid(id, signed.CopyWithPrivateKey(key), [], Roots));
        }
    }

    /// <summary>Lets go of the root's key. SVIDs that were issued stay valid.</summary>
    public void Dispose()
    {
        _rootKey.Dispose();
        _root.Dispose();
    }

    private static X509Certificate2 CreateRoot(TrustDomain trustDomain, TimeSpan lifetime, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return SvidCertificate.Authority("Ambient embedded root", trustDomain, key).CreateSelfSigned(now - TimeSpan.FromMinutes(5), now + lifetime);
    }

    private static void Check(X509Certificate2 root, string path, TrustDomain trustDomain, DateTimeOffset now, ILogger logger)
    {
        DateTimeOffset notBefore = root.NotBefore.ToUniversalTime();
        DateTimeOffset notAfter = root.NotAfter.ToUniversalTime();
        if (now >= notAfter)
        {
            throw Expired(path, notAfter);
        }

        if (now < notBefore)
        {
            throw new CertificateAuthorityException($"embedded authority: the root in {path} is not valid before {notBefore:u}; is this machine's clock right?");
        }

        if (root.Extensions.FirstOrDefault(static extension => extension is X509BasicConstraintsExtension) is not X509BasicConstraintsExtension { CertificateAuthority: true })
        {
            throw new CertificateAuthorityException($"embedded authority: the certificate in {path} is no authority's; delete it and {RootFolder.KeyName} to make a new root");
        }

        if (SvidSubject.Read(root).Id is { } id && id.TrustDomain != trustDomain)
        {
            throw new CertificateAuthorityException(
                $"embedded authority: the root in {path} is of trust domain {id.TrustDomain.Name}, and this host's is {trustDomain.Name}; use one folder for each trust domain");
        }

        if (notAfter - now < (notAfter - notBefore) / 10)
        {
            LogNearExpiry(logger, path, notAfter);
        }
    }

    private static CertificateAuthorityException Expired(string path, DateTimeOffset notAfter) =>
        new($"embedded authority: the root in {path} expired at {notAfter:u}; delete it and {RootFolder.KeyName} and restart every host of this machine to make a new one");

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private static DateTimeOffset Min(DateTimeOffset a, DateTimeOffset b) => a < b ? a : b;

    private static DateTimeOffset Max(DateTimeOffset a, DateTimeOffset b) => a > b ? a : b;

    [LoggerMessage(100, LogLevel.Warning, "embedded authority: the root in {Path} expires at {NotAfter:u}; before then delete it and its key, and restart every host of this machine to make a new one")]
    private static partial void LogNearExpiry(ILogger logger, string path, DateTimeOffset notAfter);
}
