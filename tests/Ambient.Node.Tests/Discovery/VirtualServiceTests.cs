using Ambient.Mesh;
using Ambient.Node.Discovery.Folder;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Tests.Discovery;

/// <summary>VirtualServices from their text to what becomes of a request.</summary>
public sealed class VirtualServiceTests
{
    private const string Services = """
        apiVersion: v1
        kind: Service
        metadata: {name: web, namespace: app}
        spec: {clusterIP: 10.0.0.1, ports: [{name: http, port: 80}]}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: other, namespace: app}
        spec: {clusterIP: 10.0.0.2, ports: [{name: http, port: 81}]}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: many, namespace: app}
        spec: {clusterIP: 10.0.0.3, ports: [{name: http, port: 80}, {name: http-b, port: 90}]}
        ---

        """;

    private static RequestRoute Decide(string virtualServices, string path, string method = "GET", string proxyNamespace = "app", (string Name, string Value)? header = null)
    {
        var translated = ManifestText.Translate(Services + virtualServices);
        var mesh = new MeshSnapshotBuilder(MeshSnapshot.Empty).ReplaceAll(translated.Workloads, translated.Services, translated.Policies).Set(translated.Requests).Build();
        return RequestRoutes.ForService(mesh, mesh.Services["app/web.app.svc.cluster.local"], proxyNamespace)
            .Route(new RouteFacts(80, "web", method, path, "", name => header is { } given && given.Name == name ? given.Value : null), new Random(1));
    }

    private static string Virtual(string spec, string name = "v", string ns = "app", string time = "2026-01-01T00:00:00Z") => $$"""
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: {{name}}, namespace: {{ns}}, creationTimestamp: "{{time}}"}
        spec: {{spec}}
        ---

        """;

    [Fact]
    public void Rules_InWrittenOrder_FirstMatchWins()
    {
        var virtualService = Virtual("""
            {hosts: [web], http: [
              {match: [{uri: {prefix: /a}}], route: [{destination: {host: other}}]},
              {match: [{uri: {exact: /a/exact}}], directResponse: {status: 204}},
              {route: [{destination: {host: web.app.svc.cluster.local}}]}]}
            """);

        Assert.Equal("other", Decide(virtualService, "/a/exact").Service!.Name);
        Assert.Equal(81, Decide(virtualService, "/abc").Port);
        Assert.Equal("web", Decide(virtualService, "/b").Service!.Name);
    }

    [Fact]
    public void NothingMatches_Is404_AndUnknownHosts503()
    {
        var virtualService = Virtual("{hosts: [web], http: [{match: [{uri: {exact: /a}}], route: [{destination: {host: nobody}}]}]}");

        Assert.Equal(404, Decide(virtualService, "/b").StatusCode);
        Assert.Equal(503, Decide(virtualService, "/a").StatusCode);
    }

    [Fact]
    public void Destination_WithoutPort_IsTheOnlyOne_OrTheOneAskedFor()
    {
        Assert.Equal(RequestRoute.ArrivalPort, Decide(Virtual("{hosts: [web], http: [{route: [{destination: {host: many}}]}]}"), "/").Port);
        Assert.Equal(90, Decide(Virtual("{hosts: [web], http: [{route: [{destination: {host: many, port: {number: 90}}}]}]}"), "/").Port);
    }

    [Theory]
    [InlineData("{hosts: [web], gateways: [mesh], http: [{directResponse: {status: 418}}]}", "app", 418)]
    [InlineData("{hosts: [web], gateways: [gw], http: [{directResponse: {status: 418}}]}", "app", 0)]
    [InlineData("{hosts: [web], gateways: [gw, mesh], http: [{match: [{gateways: [gw]}], directResponse: {status: 418}}, {directResponse: {status: 419}}]}", "app", 419)]
    [InlineData("{hosts: [web], exportTo: [elsewhere], http: [{directResponse: {status: 418}}]}", "app", 0)]
    [InlineData("{hosts: [web], exportTo: [\".\"], http: [{directResponse: {status: 418}}]}", "app", 418)]
    [InlineData("{hosts: [\"*.app.svc.cluster.local\"], http: [{directResponse: {status: 418}}]}", "app", 418)]
    [InlineData("{hosts: [other], http: [{directResponse: {status: 418}}]}", "app", 0)]
    [InlineData("{hosts: [web], http: [{match: [{sourceLabels: {a: b}}], directResponse: {status: 418}}, {directResponse: {status: 419}}]}", "app", 419)]
    public void Applies_ToItsGatewaysHostsAndNamespaces(string spec, string proxyNamespace, int status) =>
        Assert.Equal(status, Decide(Virtual(spec), "/", proxyNamespace: proxyNamespace).StatusCode);

    [Fact]
    public void SeveralForOneHost_OldestFirst()
    {
        var both = Virtual("{hosts: [web], http: [{directResponse: {status: 418}}]}", "a", time: "2026-02-01T00:00:00Z")
            + Virtual("{hosts: [web], http: [{match: [{uri: {prefix: /x}}], directResponse: {status: 419}}]}", "b");

        Assert.Equal(419, Decide(both, "/x").StatusCode);
        Assert.Equal(418, Decide(both, "/y").StatusCode);
    }

    [Fact]
    public void WaypointsNamespace_CountsToo_OthersDoNot()
    {
        var elsewhere = Virtual("{hosts: [web.app.svc.cluster.local], http: [{directResponse: {status: 418}}]}", ns: "infra");

        Assert.Equal(418, Decide(elsewhere, "/", proxyNamespace: "infra").StatusCode);
        Assert.Equal(RequestRouteKind.Default, Decide(elsewhere, "/", proxyNamespace: "app").Kind);
    }

    [Fact]
    public void Delegate_DecidesWhereBothMatch()
    {
        var both = Virtual("""
                {hosts: [web], http: [
                  {match: [{uri: {prefix: /shop}, headers: {x-a: {exact: "1"}}}], delegate: {name: inner, namespace: teams}},
                  {directResponse: {status: 419}}]}
                """)
            + Virtual("{http: [{match: [{uri: {prefix: /shop/cart}}], directResponse: {status: 201}}, {match: [{uri: {prefix: /else}}], directResponse: {status: 202}}, {directResponse: {status: 203}}]}", "inner", "teams");

        Assert.Equal(201, Decide(both, "/shop/cart/1", header: ("x-a", "1")).StatusCode);
        Assert.Equal(203, Decide(both, "/shop/x", header: ("x-a", "1")).StatusCode);
        Assert.Equal(419, Decide(both, "/shop/cart", header: ("x-a", "2")).StatusCode);
        Assert.Equal(419, Decide(both, "/else").StatusCode);
    }

    [Theory]
    [InlineData("exportTo: ['.'], ", 419)]
    [InlineData("exportTo: [third], ", 419)]
    [InlineData("exportTo: [third, app], ", 201)]
    [InlineData("exportTo: ['*'], ", 201)]
    [InlineData("", 201)]
    public void Delegate_ThatIsNotExportedToWhoDelegates_IsNone(string exportTo, int status) => Assert.Equal(
        status,
        Decide(
            Virtual("{hosts: [web], http: [{match: [{uri: {prefix: /shop}}], delegate: {name: inner, namespace: teams}}, {directResponse: {status: 419}}]}")
                + Virtual($"{{{exportTo}http: [{{directResponse: {{status: 201}}}}]}}", "inner", "teams"),
            "/shop").StatusCode);

    [Fact]
    public void Rewrites_ArePrefixesOfText_OrPatterns()
    {
        var virtualService = Virtual("""
            {hosts: [web], http: [
              {match: [{uri: {prefix: /old}}], rewrite: {uri: /new, authority: host.example}, route: [{destination: {host: other}}]},
              {match: [{uri: {regex: "/r/.*"}}], rewrite: {uriRegexRewrite: {match: "^/r/([^/]+)/(.*)$", rewrite: "/\\2/by/\\1"}}, route: [{destination: {host: other}}]},
              {rewrite: {uri: /x/}, route: [{destination: {host: other}}]}]}
            """);

        Assert.Equal(("/newer", "host.example"), (Decide(virtualService, "/older").Path, Decide(virtualService, "/older").Host));
        Assert.Equal("/b/c/by/a", Decide(virtualService, "/r/a/b/c").Path);
        Assert.Equal("/x/y", Decide(virtualService, "/y").Path);
    }

    [Theory]
    [InlineData("{authority: there.example}", "http://there.example/p")]
    [InlineData("{scheme: https}", "https://web:80/p")]
    [InlineData("{port: 8443, scheme: https}", "https://web:8443/p")]
    [InlineData("{derivePort: FROM_PROTOCOL_DEFAULT, scheme: https}", "https://web/p")]
    [InlineData("{uri: /there}", "http://web:80/there")]
    public void Redirect_KeepsTheHostAsAsked_UnlessTold(string redirect, string location)
    {
        var translated = ManifestText.Translate(Services + Virtual($"{{hosts: [web], http: [{{redirect: {redirect}}}]}}"));
        var mesh = new MeshSnapshotBuilder(MeshSnapshot.Empty).ReplaceAll(translated.Workloads, translated.Services, translated.Policies).Set(translated.Requests).Build();
        var route = RequestRoutes.ForService(mesh, mesh.Services["app/web.app.svc.cluster.local"]).Route(new RouteFacts(80, "web:80", "GET", "/p", "", _ => null), new Random(1));

        Assert.Equal((301, location), (route.StatusCode, route.Location));
    }

    [Theory]
    [InlineData("{route: [{destination: {host: web}}], redirect: {uri: /}}", "spec.http[0].redirect")]
    [InlineData("{match: [{uri: {exact: /, prefix: /}}], route: [{destination: {host: web}}]}", "spec.http[0].match[0].uri.prefix")]
    [InlineData("{timeout: soon, route: [{destination: {host: web}}]}", "spec.http[0].timeout")]
    [InlineData("{retries: {retryOn: \"5xx,sometimes\"}, route: [{destination: {host: web}}]}", "spec.http[0].retries.retryOn")]
    [InlineData("{fault: {abort: {grpcStatus: UNAVAILABEL}}, route: [{destination: {host: web}}]}", "spec.http[0].fault.abort.grpcStatus")]
    [InlineData("{mirrorPercentage: {value: 101}, mirror: {host: web}, route: [{destination: {host: web}}]}", "spec.http[0].mirrorPercentage.value")]
    [InlineData("{directResponse: {status: 99}}", "spec.http[0].directResponse.status")]
    [InlineData("{name: x}", "spec.http[0].route")]
    public void Mistake_IsReportedWithItsField(string rule, string field)
    {
        var errors = ManifestLoader.LoadText("a.yaml", Virtual($"{{hosts: [web], http: [{rule}]}}")).Errors.Items;

        Assert.Contains(errors, error => error.Field == field);
    }

    [Theory]
    [InlineData("1h30m", 5400)]
    [InlineData("1.5s", 1.5)]
    [InlineData("500ms", 0.5)]
    [InlineData("0s", 0)]
    [InlineData("0", 0)]
    public void Duration_IsRead(string text, double seconds)
    {
        Assert.True(Durations.TryParse(text, out var duration));
        Assert.Equal(TimeSpan.FromSeconds(seconds), duration);
    }

    [Theory]
    [InlineData("")]
    [InlineData("5")]
    [InlineData("s")]
    [InlineData("-1s")]
    [InlineData("1x")]
    [InlineData("1.2.3s")]
    [InlineData("99999999h")]
    [InlineData("1 s")]
    public void Duration_ThatIsNone_IsRefused(string text) => Assert.False(Durations.TryParse(text, out _));
}
