using System.Diagnostics;
using System.Runtime.Versioning;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ambient.Certificates;
using Ambient.Identity;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Core.Tests.Certificates;

[UnsupportedOSPlatform("windows")]
public sealed class EmbeddedAuthorityTests : IDisposable
{
    private static readonly SpiffeId Sleep = SpiffeId.Parse("spiffe://cluster.local/ns/default/sa/sleep");
    private readonly string _parent = Directory.CreateTempSubdirectory("ambient-ca-").FullName;

    private string Folder => Path.Combine(_parent, "ca");

    private string CertificatePath => Path.Combine(Folder, "root-cert.pem");

    private string KeyPath => Path.Combine(Folder, "root-key.pem");

    public void Dispose() => Directory.Delete(_parent, recursive: true);

    [Fact]
    public async Task IssueAsync_Leaf_HasTheShapeOfAnSvid()
    {
        using var authority = await OpenAsync();
        var svid = await authority.IssueAsync(Sleep);

        Assert.Equal(Sleep, svid.Id);
        Assert.Equal("", svid.Leaf.Subject);
        Assert.True(svid.Leaf.HasPrivateKey);
        Assert.Equal(256, svid.Leaf.GetECDsaPublicKey()!.KeySize);
        Assert.Empty(svid.Intermediates);
        var extensions = svid.Leaf.Extensions.ToDictionary(e => e.Oid!.Value!);
        Assert.True(extensions["2.5.29.17"].Critical);
        Assert.Equal(X509KeyUsageFlags.DigitalSignature, ((X509KeyUsageExtension)extensions["2.5.29.15"]).KeyUsages);
        Assert.Equal(2, ((X509EnhancedKeyUsageExtension)extensions["2.5.29.37"]).EnhancedKeyUsages.Count);
        Assert.InRange(svid.NotBefore, DateTimeOffset.UtcNow.AddMinutes(-2), DateTimeOffset.UtcNow.AddSeconds(-30));
        Assert.InRange(svid.NotAfter, DateTimeOffset.UtcNow.AddHours(23), DateTimeOffset.UtcNow.AddHours(25));
        Assert.True(Accepted(svid, authority.Roots));
        Assert.False(authority.Roots.Roots[0].HasPrivateKey);
    }

    [Theory]
    [Trait("Reference", "cert_expiration")]
    [InlineData(1)]
    [InlineData(10)]
    [InlineData(3600)]
    public async Task IssueAsync_ShortLives_HaveTheirHalfAhead(int seconds)
    {
        using var authority = await OpenAsync(o => o.LeafLifetime = TimeSpan.FromSeconds(seconds), new FakeTimeProvider(DateTimeOffset.UtcNow));
        var svid = await authority.IssueAsync(Sleep);

        Assert.InRange((svid.NotAfter - svid.NotBefore).TotalSeconds, seconds, seconds + Math.Min(61, (seconds / 10.0) + 1));
    }

    [Fact]
    public async Task IssueAsync_ForeignTrustDomain_IsRefused()
    {
        using var authority = await OpenAsync();

        var e = await Assert.ThrowsAsync<CertificateAuthorityException>(async () => await authority.IssueAsync(SpiffeId.Parse("spiffe://other/ns/a/sa/b")));
        Assert.Contains("spiffe://other/ns/a/sa/b", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task IssueAsync_IllegalIdentity_IsRefused()
    {
        using var authority = await OpenAsync();

        await Assert.ThrowsAsync<CertificateAuthorityException>(async () => await authority.IssueAsync(SpiffeId.ForServiceAccount("cluster.local", "", "b")));
    }

    [Fact]
    public async Task OpenAsync_Files_AreTheOwnersAlone()
    {
        using var authority = await OpenAsync();

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Folder));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(KeyPath));
    }

    [Fact]
    public async Task OpenAsync_FolderThatIsOpenToOthers_IsRefused_AndLeftAsItIs()
    {
        Directory.CreateDirectory(Folder);
        const UnixFileMode Wide = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
        File.SetUnixFileMode(Folder, Wide);

        var e = await Assert.ThrowsAsync<CertificateAuthorityException>(() => OpenAsync());

        Assert.Contains($"chmod 700 {Folder}", e.Message, StringComparison.Ordinal);
        Assert.Equal(Wide, File.GetUnixFileMode(Folder));
        Assert.Empty(Directory.GetFileSystemEntries(Folder));
    }

    [Fact]
    public async Task OpenAsync_SymbolicLink_IsNotFollowed()
    {
        var target = Directory.CreateDirectory(Path.Combine(_parent, "elsewhere"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Directory.CreateSymbolicLink(Folder, target.FullName);

        var e = await Assert.ThrowsAsync<CertificateAuthorityException>(() => OpenAsync());

        Assert.Contains("symbolic link", e.Message, StringComparison.Ordinal);
        Assert.Empty(target.GetFileSystemInfos());
    }

    [Fact]
    public async Task OpenAsync_FolderOfAnotherUser_IsRefused()
    {
        // Only root can give a folder away; everybody else finds one of root's.
        var folder = "/usr/lib";
        if (Environment.IsPrivilegedProcess)
        {
            folder = Folder;
            Directory.CreateDirectory(Folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            using var chown = Process.Start("chown", ["12345", Folder]);
            await chown.WaitForExitAsync();
        }

        var e = await Assert.ThrowsAsync<CertificateAuthorityException>(() => OpenAsync(options => options.Folder = folder));

        Assert.Contains("belongs to user", e.Message, StringComparison.Ordinal);
        Assert.Contains("chown", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task OpenAsync_Again_FindsTheSameRoot()
    {
        using var first = await OpenAsync();
        using var second = await OpenAsync();

        Assert.True(Accepted(await first.IssueAsync(Sleep), second.Roots));
    }

    [Fact]
    public async Task OpenAsync_ManyAtOnce_ShareOneRoot()
    {
        var authorities = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(() => OpenAsync())));

        Assert.Single(authorities.Select(a => a.Roots.Roots[0].Thumbprint).Distinct());
        Array.ForEach(authorities, a => a.Dispose());
    }

    [Fact]
    public async Task OpenAsync_SeveralProcessesAtOnce_ShareOneRoot()
    {
        var start = new ProcessStartInfo("dotnet", [typeof(Program).Assembly.Location, Program.OpenAuthority, Folder]) { RedirectStandardOutput = true, RedirectStandardError = true };
        var processes = Enumerable.Range(0, 3).Select(_ => Process.Start(start)!).ToArray();
        var thumbprints = new List<string>();
        foreach (var process in processes)
        {
            var output = await process.StandardOutput.ReadToEndAsync();
            var error = await process.StandardError.ReadToEndAsync();
            await process.WaitForExitAsync();
            Assert.True(process.ExitCode == 0, error);
            thumbprints.Add(output.Trim());
        }

        using var authority = await OpenAsync();
        Assert.All(thumbprints, t => Assert.Equal(authority.Roots.Roots[0].Thumbprint, t));
    }

    [Fact]
    public async Task OpenAsync_LockHeldForTooLong_NamesTheFolder()
    {
        Directory.CreateDirectory(Folder);
        await using var held = new FileStream(Path.Combine(Folder, ".lock"), FileMode.Create, FileAccess.ReadWrite, FileShare.None);

        var e = await Assert.ThrowsAsync<CertificateAuthorityException>(() => OpenAsync(o => o.LockTimeout = TimeSpan.FromMilliseconds(50)));
        Assert.Contains(Folder, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task OpenAsync_CrashBetweenKeyAndCertificate_MakesANewRoot()
    {
        Directory.CreateDirectory(Folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        await File.WriteAllTextAsync(KeyPath, "left over");

        using var authority = await OpenAsync();
        Assert.True(Accepted(await authority.IssueAsync(Sleep), authority.Roots));
    }

    [Fact]
    public async Task OpenAsync_CorruptCertificate_NamesTheFile()
    {
        (await OpenAsync()).Dispose();
        await File.WriteAllTextAsync(CertificatePath, "nonsense");
        await FailsNaming(CertificatePath);

        await File.WriteAllTextAsync(CertificatePath, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        await FailsNaming(CertificatePath);
    }

    [Fact]
    public async Task OpenAsync_CorruptKey_NamesTheFileAndKeepsItsTextOut()
    {
        (await OpenAsync()).Dispose();
        await File.WriteAllTextAsync(KeyPath, "secret nonsense");

        Assert.DoesNotContain("secret nonsense", await FailsNaming(KeyPath), StringComparison.Ordinal);
    }

    [Fact]
    public async Task OpenAsync_MissingKey_NamesTheFile()
    {
        (await OpenAsync()).Dispose();
        File.Delete(KeyPath);

        await FailsNaming(KeyPath);
    }

    [Fact]
    public async Task OpenAsync_KeyOfAnotherRoot_NamesBothFiles()
    {
        (await OpenAsync()).Dispose();
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        await File.WriteAllTextAsync(KeyPath, other.ExportPkcs8PrivateKeyPem());

        Assert.Contains(CertificatePath, await FailsNaming(KeyPath), StringComparison.Ordinal);
    }

    [Fact]
    public async Task OpenAsync_KeyReadableByOthers_IsRefused()
    {
        (await OpenAsync()).Dispose();
        File.SetUnixFileMode(KeyPath, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);

        Assert.Contains("chmod", await FailsNaming(KeyPath), StringComparison.Ordinal);
    }

    [Fact]
    public async Task OpenAsync_ExpiredRoot_NamesTheFile()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        using var authority = await OpenAsync(o => o.RootLifetime = TimeSpan.FromDays(2), time);
        time.Advance(TimeSpan.FromDays(3));

        Assert.Contains("expired", await FailsNaming(CertificatePath, time: time), StringComparison.Ordinal);
        await Assert.ThrowsAsync<CertificateAuthorityException>(async () => await authority.IssueAsync(Sleep));
    }

    [Fact]
    public async Task OpenAsync_RootNearExpiry_WarnsAndLeavesEndWithIt()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        (await OpenAsync(o => o.RootLifetime = TimeSpan.FromDays(2), time)).Dispose();
        var log = new ListLogger<EmbeddedAuthority>();
        time.Advance(TimeSpan.FromDays(1.9));

        using var authority = await EmbeddedAuthority.OpenAsync(new EmbeddedAuthorityOptions { Folder = Folder }, time, log);
        Assert.Contains(CertificatePath, Assert.Single(log.Lines), StringComparison.Ordinal);
        Assert.Equal(authority.RootExpires, (await authority.IssueAsync(Sleep)).NotAfter);
    }

    [Fact]
    public async Task OpenAsync_RootOfAnotherTrustDomain_NamesTheFile()
    {
        (await OpenAsync()).Dispose();

        Assert.Contains("trust domain cluster.local", await FailsNaming(CertificatePath, o => o.TrustDomain = "other"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Cluster.Local")]
    [InlineData("")]
    public async Task OpenAsync_IllegalTrustDomain_IsRefused(string trustDomain) =>
        await Assert.ThrowsAsync<ArgumentException>(() => OpenAsync(o => o.TrustDomain = trustDomain));

    [Fact]
    public async Task OpenAsync_TimesOutOfTheirRange_AreRefused()
    {
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => OpenAsync(o => o.LeafLifetime = TimeSpan.Zero));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => OpenAsync(o => o.RootLifetime = TimeSpan.FromHours(1)));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => OpenAsync(o => o.LockTimeout = TimeSpan.FromTicks(-1)));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => OpenAsync(o => o.LockTimeout = TimeSpan.FromDays(2)));
    }

    [Fact]
    public async Task OpenAsync_LongTrustDomain_Works()
    {
        var trustDomain = new string('a', 255);
        using var authority = await OpenAsync(o => o.TrustDomain = trustDomain);

        Assert.True(Accepted(await authority.IssueAsync(SpiffeId.ForServiceAccount(trustDomain, "a", "b")), authority.Roots));
    }

    [Fact]
    public async Task Svid_Pem_RoundTrips()
    {
        using var authority = await OpenAsync();
        var svid = await authority.IssueAsync(Sleep);

        var read = X509Svid.FromPem(svid.ChainToPem(), svid.ExportPrivateKeyPem(), TrustBundle.FromPem(svid.Roots.ToPem()));
        Assert.Equal(svid.Id, read.Id);
        Assert.Equal(svid.Leaf.Thumbprint, read.Leaf.Thumbprint);
        Assert.True(Accepted(read, read.Roots));
        var other = await authority.IssueAsync(Sleep);
        Assert.Throws<FormatException>(() => X509Svid.FromPem(svid.ChainToPem(), other.ExportPrivateKeyPem(), svid.Roots));
        Assert.Throws<FormatException>(() => X509Svid.FromPem("", svid.ExportPrivateKeyPem(), svid.Roots));
        Assert.Throws<FormatException>(() => X509Svid.FromPem(svid.Roots.ToPem(), svid.ExportPrivateKeyPem(), svid.Roots));
    }

    private static bool Accepted(X509Svid svid, TrustBundle roots) =>
        SvidVerifier.Verify(svid.Leaf, null, roots, PeerRole.Client, SpiffeIdMatcher.Exactly(svid.Id), DateTimeOffset.UtcNow).IsAccepted
        && SvidVerifier.Verify(svid.Leaf, null, roots, PeerRole.Server, SpiffeIdMatcher.Exactly(svid.Id), DateTimeOffset.UtcNow).IsAccepted;

    private Task<EmbeddedAuthority> OpenAsync(Action<EmbeddedAuthorityOptions>? change = null, TimeProvider? time = null)
    {
        var options = new EmbeddedAuthorityOptions { Folder = Folder };
        change?.Invoke(options);
        return EmbeddedAuthority.OpenAsync(options, time);
    }

    private async Task<string> FailsNaming(string path, Action<EmbeddedAuthorityOptions>? change = null, TimeProvider? time = null)
    {
        var e = await Assert.ThrowsAsync<CertificateAuthorityException>(() => OpenAsync(change, time));
        Assert.Contains(path, e.Message, StringComparison.Ordinal);
        return e.Message;
    }
}
