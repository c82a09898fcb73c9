using System.Text;
using Ambient.Mesh;
using Ambient.Node.Admin.Explain;
using Ambient.Node.Admin.Server;
using Ambient.Node.Discovery.Xds.Envoy;
using Ambient.Node.Tests.Discovery.Xds;
using Ambient.Node.Tests.Discovery.Xds.Envoy;
using Ambient.Policy.Routing.Names;
using Ambient.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Diagnostics.Explain;

/// <summary>What a waypoint or gateway that istiod configures says of a request: the objects that the operator wrote are named, not what istiod made of them.</summary>
public sealed class IstiodExplainTests
{
    [SkippableFact]
    public void RouteOfTheGatewayApi_IsNamedByItsNamespaceNameAndRule()
    {
        var text = Explain(Recording("http", "filters", "xds", "waypoint"), "src=app/b-0&dst=app/a:8080&path=/redirect");
        Assert.Matches(@"\(route app/f rule [0-9]+\)", text);
        Assert.DoesNotContain("app~8080~a", text, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void VirtualService_IsNamedByItsNamespaceAndName()
    {
        Assert.Contains("(route app/a", Explain(Recording("xds", "vs-weighted", "xds", "waypoint"), "src=app/b-0&dst=app/a:8080&path=/"), StringComparison.Ordinal);
    }

    [SkippableFact]
    public void Policy_IsNamedByItsNamespaceAndName()
    {
        Assert.Contains("\n  DENY   app/", Explain(Recording("http", "authz-deny-paths", "xds", "waypoint"), "src=app/b-0&dst=app/a:8080&path=/"), StringComparison.Ordinal);
    }

    [SkippableFact]
    public void DestinationRule_IsNamedByItsNamespaceAndName_AndIstiodsDefaultsAreNobodys()
    {
        Assert.Contains("settings  of DestinationRule app/p1\n", Explain(Recording("xds", "dr-pool", "xds", "waypoint"), "src=app/p2-0&dst=app/p1:8080&path=/"), StringComparison.Ordinal);
        Assert.DoesNotContain("DestinationRule", Explain(Recording("http", "filters", "xds", "waypoint"), "src=app/b-0&dst=app/a:8080&path=/"), StringComparison.Ordinal);
    }

    /// <summary>istiod writes the issuers of all RequestAuthentications that apply, and not whose they are: nothing is made up in their place.</summary>
    [SkippableFact]
    public void Tokens_AreNamedByTheirIssuers()
    {
        var text = Explain(Recording("http", "jwt-two-issuers", "xds", "waypoint"), "src=app/b-0&dst=app/a:8080&path=/");
        Assert.Contains(
            """
              TOKENS of issuer https://issuer.example, by a RequestAuthentication that istiod does not name
              TOKENS of issuer https://second.example, by a RequestAuthentication that istiod does not name

            """,
            text,
            StringComparison.Ordinal);
    }

    [SkippableFact]
    public void RouteOfAGateway_IsNamedToo()
    {
        Assert.Contains("(route app/r1 rule 0)", Explain(Recording("http", "gateway-listeners", "xds", "gateway"), "port=80&host=one.example&path=/"), StringComparison.Ordinal);
    }

    private static string Recording(params string[] path) => GoldenFolder.Require(path);

    private static string Explain(string recording, string query)
    {
        var (node, pod) = RecordedIstiod.NodeOf(recording);
        var store = new MeshStore();
        var session = new EnvoySession(store, node, NullLogger.Instance);
        foreach (var type in new[] { "cds", "eds", "lds", "rds", "wds" }.Select(type => Path.Combine(recording, $"{type}.binpb")).Where(File.Exists))
        {
            session.Hear(File.ReadAllBytes(type));
        }

        var self = store.Current.Workloads.Values.FirstOrDefault(workload => workload.Name == pod && workload.Namespace == node.Namespace);
        var endpoint = new RequestExplainEndpoint(store, node.GatewayKey, () => self, "", new NameRules("cluster.local", null, null, true, true));
        var answer = endpoint.Answer(new AdminRequest("GET", "/explain", query, ""));
        var text = Encoding.UTF8.GetString(answer.Body.Span);
        Assert.True(answer.Status == 200, $"{answer.Status} {text}");
        return text;
    }
}
