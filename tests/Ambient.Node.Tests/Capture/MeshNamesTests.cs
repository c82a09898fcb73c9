using System.Net;
using System.Net.Sockets;
using Ambient.Mesh;
using Ambient.Node.Capture.Dns;
using Ambient.Policy.Routing.Names;

namespace Ambient.Node.Tests.Capture;

public sealed class MeshNamesTests
{
    private static readonly Workload s_client = new() { Uid = "c", Name = "c", Namespace = "default", Addresses = [IPAddress.Parse("127.64.0.1")] };

    private static readonly MeshSnapshot s_mesh = new MeshSnapshotBuilder(MeshSnapshot.Empty)
        .Set(s_client)
        .Set(Service("web", "default", "web.default.svc.cluster.local", "127.128.0.1"))
        .Set(Service("web", "other", "web.other.svc.cluster.local", "127.128.0.2"))
        .Set(Service("hidden", "other", "hidden.other.svc.cluster.local", "127.128.0.3") with { Visibility = ServiceVisibility.Namespace })
        .Set(Service("wild", "default", "*.example.com", "127.128.0.4"))
        .Set(Service("headless", "default", "headless.default.svc.cluster.local", null))
        .Set(new Workload
        {
            Uid = "h", Name = "h", Namespace = "default", Addresses = [IPAddress.Parse("127.64.0.2")],
            Services = System.Collections.Immutable.ImmutableDictionary<string, System.Collections.Immutable.ImmutableArray<ServicePort>>.Empty
                .Add("default/headless.default.svc.cluster.local", [new ServicePort(80, 8080)]),
        })
        .Build();

    [Theory]
    [InlineData("web", "127.128.0.1")]
    [InlineData("web.default", "127.128.0.1")]
    [InlineData("web.default.svc", "127.128.0.1")]
    [InlineData("web.default.svc.cluster.local", "127.128.0.1")]
    [InlineData("web.default.svc.cluster.local.", "127.128.0.1")]
    [InlineData("web.other", "127.128.0.2")]
    [InlineData("web.other.svc", "127.128.0.2")]
    [InlineData("api.example.com", "127.128.0.4")]
    [InlineData("a.b.example.com", "127.128.0.4")]
    [InlineData("headless", "127.64.0.2")]
    [InlineData("nothing", null)]
    [InlineData("hidden.other", null)]
    [InlineData("example.com", null)]
    [InlineData("", null)]
    public void Resolve_FollowsKubernetesSearchRulesOfTheClientsNamespace(string name, string? expected) =>
        Assert.Equal(expected, MeshNames.Resolve(s_mesh, s_client, name, new NameRules("cluster.local"), AddressFamily.InterNetwork, new Random(1))?.ToString());

    private static MeshService Service(string name, string ns, string hostname, string? vip) => new()
    {
        Name = name,
        Namespace = ns,
        Hostname = hostname,
        Vips = vip is null ? [] : [new NetworkAddress("", IPAddress.Parse(vip))],
        Ports = [new ServicePort(80, 8080)],
    };
}
