using Ambient.Node.Discovery.Xds.Client;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Variables;

namespace Ambient.Node.Tests.Hosting;

/// <summary>What istiod gives to the pods of waypoints and gateways is all that one of ours needs.</summary>
public sealed class WaypointVariablesTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("ambient-pod-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Read_InAPodOfIstiods_NeedsNothingElse()
    {
        var labels = Write("labels", """
            gateway.istio.io/managed="istio.io-mesh-controller"
            gateway.networking.k8s.io/gateway-name="inner"
            pod-template-hash="7d9c8f6b5"
            """);

        var (options, variables) = Read(Pod(), labels, "proxy", "waypoint", "--domain", "app.svc.example.org", "--serviceCluster", "inner.app", "--proxyLogLevel", "warning");

        Assert.Empty(variables.Errors);
        Assert.Equal(("inner", "app", "inner-5f7d-x2x4"), (options.GatewayName, options.Namespace, options.PodName));
        Assert.False(options.IsGateway);
        Assert.Equal("istiod.istio-system.svc:15012", options.Host.Xds!.Server.Address.Authority);
        Assert.Equal("istiod.other.svc:15012", options.Host.CertificateAuthority!.Address.Authority);
        Assert.Equal(("example.org", "td.example", "c1", "net1"), (options.Host.ClusterDomain, options.Host.TrustDomain, options.Host.ClusterId, options.Host.Network));
        Assert.False(options.ToMeshRuntime().Authority.Impersonate);
        Assert.True(options.AsksForRequests);
        Assert.True(options.ToMeshRuntime().BringsRequests);
        Assert.Empty(options.ToMeshRuntime().Validate());
        var node = XdsNode.Of(options.Host.Xds);
        Assert.StartsWith("waypoint~10.1.2.3~inner-5f7d-x2x4.app~", node.Id, StringComparison.Ordinal);
        Assert.Equal("inner-sa", node.Metadata.Fields["SERVICE_ACCOUNT"].StringValue);
        Assert.Equal("c1", node.Metadata.Fields["CLUSTER_ID"].StringValue);
        var told = node.Metadata.Fields["LABELS"].StructValue.Fields;
        Assert.Equal("inner", told["gateway.networking.k8s.io/gateway-name"].StringValue);
        Assert.DoesNotContain("pod-template-hash", told.Keys);
    }

    [Fact]
    public void Read_ARoutersArguments_AreAGateways()
    {
        var (options, variables) = Read(Pod(), Write("labels", "gateway.networking.k8s.io/gateway-name=\"outer\"\n"), "proxy", "router", "--domain", "app.svc.cluster.local");

        Assert.Empty(variables.Errors);
        Assert.True(options.IsGateway);
        Assert.StartsWith("router~", XdsNode.Of(options.Host.Xds!).Id, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_ManifestsInACluster_AreBesideIstiod()
    {
        var environment = Pod();
        environment["AMBIENT_MANIFESTS"] = _folder.FullName;

        var (options, variables) = Read(environment, Write("labels", "gateway.networking.k8s.io/gateway-name=\"inner\"\n"), "proxy", "waypoint");

        Assert.Empty(variables.Errors);
        Assert.False(options.AsksForRequests);
        Assert.True(options.ToMeshRuntime().BringsRequests);
    }

    [Fact]
    public void Read_WithoutLabels_NamesTheLabelAndTheVariable()
    {
        var (_, variables) = Read(Pod(), Path.Combine(_folder.FullName, "absent"), "proxy", "waypoint");

        Assert.Contains("gateway.networking.k8s.io/gateway-name", Assert.Single(variables.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_OutsideAPod_ReportsEverythingThatIsMissing()
    {
        var (_, variables) = Read([], Path.Combine(_folder.FullName, "absent"));

        foreach (var name in new[] { "GATEWAY_NAME", "POD_NAMESPACE", "no source for the mesh", "no certificate authority" })
        {
            Assert.Contains(variables.Errors, error => error.StartsWith(name, StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Read_WorkloadApiAndRevocation_AreAsAtAZtunnel()
    {
        var environment = Pod();
        environment["SPIFFE_ENDPOINT_SOCKET"] = "unix:///run/agent.sock";
        environment["CRL_PATH"] = "/run/crl.pem";

        var (options, variables) = Read(environment, Write("labels", "gateway.networking.k8s.io/gateway-name=\"inner\"\n"), "proxy", "waypoint");

        Assert.Empty(variables.Errors);
        var membership = options.ToMeshRuntime();
        Assert.Equal(("unix:///run/agent.sock", "/run/crl.pem"), (membership.Authority.WorkloadApi!.Text, membership.RevocationFile));
        Assert.Null(membership.Authority.Istio);
    }

    private static Dictionary<string, string> Pod() => new()
    {
        ["KUBERNETES_SERVICE_HOST"] = "10.96.0.1",
        ["POD_NAME"] = "inner-5f7d-x2x4",
        ["POD_NAMESPACE"] = "app",
        ["SERVICE_ACCOUNT"] = "inner-sa",
        ["INSTANCE_IP"] = "10.1.2.3",
        ["CA_ADDR"] = "istiod.other.svc:15012",
        ["TRUST_DOMAIN"] = "td.example",
        ["PROXY_CONFIG"] = "{}\n",
        ["ISTIO_META_CLUSTER_ID"] = "c1",
        ["ISTIO_META_NETWORK"] = "net1",
    };

    private (WaypointOptions Options, VariableReader Variables) Read(Dictionary<string, string> environment, string labels, params string[] arguments)
    {
        var variables = new VariableReader(environment) { Arguments = arguments };
        return (WaypointVariables.Read(variables, Path.Combine(_folder.FullName, "no-mesh-configuration"), labels), variables);
    }

    private string Write(string name, string text)
    {
        var path = Path.Combine(_folder.FullName, name);
        File.WriteAllText(path, text);
        return path;
    }
}
