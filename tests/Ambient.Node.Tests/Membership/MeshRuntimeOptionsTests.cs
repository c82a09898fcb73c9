using Ambient.Node.Authorities;
using Ambient.Node.ControlPlane;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Membership;
using Ambient.Testing.Certificates;

namespace Ambient.Node.Tests.Membership;

public sealed class MeshRuntimeOptionsTests
{
    [Fact]
    public void Validate_NothingSet_NamesEverySettingThatIsMissing()
    {
        var errors = new MeshRuntimeOptions { Discovery = new DiscoveryOptions { TrustDomain = "Not A Domain" }, Authority = new AuthorityOptions() }.Validate();

        Assert.Equal(3, errors.Count);
        Assert.Contains("AMBIENT_MANIFESTS", errors[0], StringComparison.Ordinal);
        Assert.Contains("CA_ADDRESS", errors[1], StringComparison.Ordinal);
        Assert.Contains("Not A Domain", errors[2], StringComparison.Ordinal);
    }

    [Fact]
    public void Validate_TwoOfAKind_AreErrors()
    {
        var errors = new MeshRuntimeOptions
        {
            Discovery = new DiscoveryOptions { LocalConfig = "workloads: []", ManifestsFolder = "/nowhere" },
            Authority = new AuthorityOptions { Folder = "ca", Istio = new ControlPlaneOptions { Name = "CA", Address = new Uri("https://ca:1") } },
        }.Validate();

        Assert.Contains(errors, error => error.StartsWith("more than one source", StringComparison.Ordinal));
        Assert.Contains(errors, error => error.StartsWith("more than one certificate authority", StringComparison.Ordinal));
        Assert.Contains(errors, error => error.Contains("there is no folder /nowhere", StringComparison.Ordinal));
    }

    [Fact]
    public void Validate_OwnParts_NeedNoNamedOnes()
    {
        var options = new MeshRuntimeOptions
        {
            Discovery = new DiscoveryOptions(), Authority = new AuthorityOptions(), Source = static _ => throw new InvalidOperationException(), OwnAuthority = new TestAuthority(),
        };

        Assert.Empty(options.Validate());
        Assert.True(options.BringsRequests);
    }

    [Fact]
    public void BringsRequests_OfFoldersAlone_NotOfIstiodsWorkloadApiOrTheLocalFormat()
    {
        var xds = new DiscoveryOptions { Xds = new XdsOptions { Server = new ControlPlaneOptions { Name = "xDS", Address = new Uri("https://istiod:15012") } } };

        Assert.False(new MeshRuntimeOptions { Discovery = xds, Authority = new AuthorityOptions() }.BringsRequests);
        Assert.False(new MeshRuntimeOptions { Discovery = new DiscoveryOptions { LocalConfig = "{}" }, Authority = new AuthorityOptions() }.BringsRequests);
        xds.ManifestsFolder = "mesh";
        Assert.True(new MeshRuntimeOptions { Discovery = xds, Authority = new AuthorityOptions() }.BringsRequests);
    }
}
