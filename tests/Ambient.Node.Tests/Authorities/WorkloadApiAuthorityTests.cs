using Ambient.Certificates;
using Ambient.Identity;
using Ambient.Node.Authorities;
using Ambient.Node.Protos.Spiffe;
using Ambient.Testing.Certificates;
using Ambient.Testing.ControlPlane;
using Grpc.Core;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Authorities;

/// <summary>The client of the SPIFFE Workload API against a real gRPC server on a unix socket.</summary>
public sealed class WorkloadApiAuthorityTests : IDisposable
{
    private static readonly SpiffeId s_sleep = SpiffeId.Parse("spiffe://cluster.local/ns/default/sa/sleep");
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("ambient-spire-");
    private readonly TestAuthority _signer = new();

    private string Socket => Path.Combine(_folder.FullName, "agent.sock");

    [Fact]
    public async Task Svid_ComesWithKeyChainAndRoots_AndANewOneAtOnce()
    {
        var intermediate = _signer.Intermediate();
        await using var agent = await WorkloadApiServer.StartAsync(Socket, new X509SVIDResponse { Svids = { WorkloadApiServer.Of(intermediate.Issue(s_sleep)) } });
        await using var authority = Authority();
        await using var cache = new SvidCache(authority);

        var first = await cache.GetSvidAsync(s_sleep);
        Assert.True(first.Leaf.HasPrivateKey);
        Assert.Single(first.Intermediates);
        var next = intermediate.Issue(s_sleep);
        agent.Push(new X509SVIDResponse { Svids = { WorkloadApiServer.Of(next) } });

        for (var tries = 0; (await cache.GetSvidAsync(s_sleep)).Leaf.SerialNumber != next.Leaf.SerialNumber; tries++)
        {
            Assert.True(tries < 600, "the new SVID is never used");
            await Task.Delay(50);
        }
    }

    [Fact]
    public async Task OtherIdentity_Refusal_AndSilence_SayWhatToDo()
    {
        await using (await WorkloadApiServer.StartAsync(Socket, new X509SVIDResponse { Svids = { WorkloadApiServer.Of(_signer.Issue("default", "other")) } }))
        {
            await using var authority = Authority();
            var e = await Assert.ThrowsAsync<CertificateAuthorityException>(async () => await authority.IssueAsync(s_sleep));
            Assert.Contains("does not give this identity, but spiffe://cluster.local/ns/default/sa/other", e.Message, StringComparison.Ordinal);
        }

        await using (await WorkloadApiServer.StartAsync(Socket, null, StatusCode.PermissionDenied))
        {
            await using var authority = Authority();
            var e = await Assert.ThrowsAsync<CertificateAuthorityException>(async () => await authority.IssueAsync(s_sleep));
            Assert.Contains("has no identity for this process", e.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("unix:///run/spire/agent.sock", true)]
    [InlineData("tcp://127.0.0.1:8081", true)]
    [InlineData("unix://relative", false)]
    [InlineData("tcp://name:1", false)]
    [InlineData("/run/agent.sock", false)]
    public void Address_IsAUnixSocketOrAnAddressWithAPort(string text, bool good) => Assert.Equal(good, WorkloadApiAddress.TryParse(text, out _));

    public void Dispose() => _folder.Delete(recursive: true);

    private WorkloadApiAuthority Authority()
    {
        Assert.True(WorkloadApiAddress.TryParse($"unix://{Socket}", out var address));
        return new WorkloadApiAuthority(address, NullLogger.Instance, TimeProvider.System);
    }
}
