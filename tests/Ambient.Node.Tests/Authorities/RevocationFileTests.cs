using Ambient.Identity;
using Ambient.Node.Authorities;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Node.Tests.Diagnostics;
using Ambient.Node.Tests.Discovery;
using Ambient.Testing.Certificates;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Node.Tests.Authorities;

public sealed class RevocationFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("ambient-crl-").FullName;
    private readonly FakeTimeProvider _time = new();
    private readonly RecordingLogger _log = new();
    private readonly TestAuthority _authority = new();

    private string File => Path.Combine(_folder, "ca-crl.pem");

    [Fact]
    [Trait("Reference", "test_crl_manager_missing_file")]
    public async Task MissingFile_IsSaid_AndTakenWhenItComes()
    {
        await using var file = Open();
        Assert.Equal(0, file.Revocation.Lists.Count);
        Assert.Contains(_log.Lines, line => line.StartsWith("Error", StringComparison.Ordinal) && line.Contains("CRL_PATH", StringComparison.Ordinal));

        var svid = _authority.Issue("default", "sleep");
        var ended = false;
        using var live = file.Revocation.Register(VerifiedPath.Of([svid.Leaf, _authority.Certificate]), PeerRole.Client, () => ended = true);
        await System.IO.File.WriteAllTextAsync(File, _authority.Revoke(svid.Leaf));
        _time.Advance(TimeSpan.FromSeconds(2.1));

        Assert.True(ended);
        Assert.Contains(_log.Lines, line => line.Contains("1 revoked certificates", StringComparison.Ordinal));
    }

    [Fact]
    public async Task FileThatBecomesUnreadable_LeavesWhatWasRevoked_AndIsSaidOnce()
    {
        await System.IO.File.WriteAllTextAsync(File, _authority.Revoke(_authority.Issue("default", "sleep").Leaf));
        await using var file = Open();
        Assert.Equal(1, file.Revocation.Lists.Count);

        await System.IO.File.WriteAllTextAsync(File, "half of a li");
        _time.Advance(TimeSpan.FromSeconds(2.1));
        _time.Advance(TimeSpan.FromSeconds(2.1));

        Assert.Equal(1, file.Revocation.Lists.Count);
        Assert.Single(_log.Lines, line => line.StartsWith("Error", StringComparison.Ordinal));
        await System.IO.File.WriteAllTextAsync(File, "");
        _time.Advance(TimeSpan.FromSeconds(2.1));
        Assert.Equal(0, file.Revocation.Lists.Count);
    }

    [Fact]
    public async Task Connections_AreCountedByWhatTheListsMeanForThem_AndWithoutAnyNothingIsPrinted()
    {
        var registry = new MetricRegistry();
        await using var file = new RevocationFile(File, registry, _log, _time);
        Assert.DoesNotContain("istio_crl", registry.Text(), StringComparison.Ordinal);
        var svid = _authority.Issue("default", "sleep");
        file.Revocation.Replace(RevocationLists.Parse(System.Text.Encoding.ASCII.GetBytes(_authority.Revoke(svid.Leaf))));

        Assert.True(file.Revocation.Refuses(VerifiedPath.Of([svid.Leaf, _authority.Certificate]), PeerRole.Server, out _));
        Assert.Contains("istio_crl_policy_rejections_total{reporter=\"source\"} 1\n", registry.Text(), StringComparison.Ordinal);
        Assert.DoesNotContain("istio_crl_untracked", registry.Text(), StringComparison.Ordinal);

        // A peer that is its own root has no authority over it that could revoke it.
        var root = VerifiedPath.Of([_authority.IssueSelfSigned(SpiffeId.Parse("spiffe://cluster.local/ns/default/sa/root")).Leaf]);
        Assert.False(file.Revocation.Refuses(root, PeerRole.Client, out _));
        using var live = file.Revocation.Register(root, PeerRole.Client, () => Assert.Fail("nobody revoked it"));
        Assert.Contains("istio_crl_untracked_connections_total{reporter=\"destination\"} 1\n", registry.Text(), StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private RevocationFile Open() => new(File, new MetricRegistry(), _log, _time);
}
