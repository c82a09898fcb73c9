using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Requests;
using Ambient.Node.Requests.Stages;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Requests;
using MeshGateway = Ambient.Mesh.Gateway;

namespace Ambient.Node.Tests.Requests;

/// <summary>What a request to a place runs through: what its policies and routes ask for, in the order that users can see, and nothing else.</summary>
public sealed class RequestStagesTests
{
    private static readonly MeshService s_service = new()
    {
        Name = "a",
        Namespace = "app",
        Hostname = "a.app.svc.cluster.local",
        Ports = [new ServicePort(80, 8080, AppProtocol.Http11)],
    };

    private static readonly MeshGateway s_gateway = new() { Name = "waypoint", Namespace = "app", ClassName = "istio-waypoint", Listeners = [] };

    private static readonly ExternalAuthorizer s_authorizer = new() { Name = "asked", Protocol = ExternalAuthorizerProtocol.Http, Hostname = s_service.Hostname, Port = 80 };

    [Theory]
    [InlineData("", "Authorize Route Respond Edit Forward")]
    [InlineData("route", "Authorize Route Respond Edit Forward")]
    [InlineData("allow", "Authorize Route Respond Edit Forward")]
    [InlineData("deny", "Authorize Route Respond Edit Forward")]
    [InlineData("custom", "ExternalAuthorize Authorize Route Respond Edit Forward")]
    [InlineData("token", "Authenticate Authorize Route Respond Edit Forward")]
    [InlineData("token-without-rules", "Authorize Route Respond Edit Forward")]
    [InlineData("audit", "Note Authorize Route Respond Edit Forward")]
    [InlineData("dry-run-deny", "Note Authorize Route Respond Edit Forward")]
    [InlineData("dry-run-allow", "Note Authorize Route Respond Edit Forward")]
    [InlineData("fault", "Authorize Route Fault Respond Edit Forward")]
    [InlineData("cors", "Authorize Route Cors Respond Edit Forward")]
    [InlineData("cors-of-backend", "Authorize Route Cors Respond Edit Forward")]
    [InlineData("authorizer", "Authorize Route RouteAuthorize Respond Edit Forward")]
    [InlineData("authorizer-of-backend", "Authorize Route RouteAuthorize Respond Edit Forward")]
    [InlineData("filter", "Authorize Route Respond Edit Filter Forward")]
    [InlineData("workload", "Authorize Edit Forward")]
    [InlineData("workload filter", "Authorize Edit Filter Forward")]
    [InlineData("workload custom-of-gateway fault", "ExternalAuthorize Authorize Edit Forward")]
    [InlineData("custom-of-gateway", "ExternalAuthorize Authorize Route Respond Edit Forward")]
    [InlineData("custom-of-other token-of-other fault-of-other", "Authorize Route Respond Edit Forward")]
    [InlineData(
        "custom token audit deny fault cors authorizer filter",
        "ExternalAuthorize Authenticate Note Authorize Route Fault Cors RouteAuthorize Respond Edit Filter Forward")]
    public void Of_APlace_HasTheStagesThatItAsksFor_InOrder(string asked, string expected)
    {
        var all = asked.Split(' ');
        var requests = new RequestConfiguration
        {
            AuthorizationPolicies = all.Select(PolicyOf).OfType<RequestAuthorizationPolicy>().ToImmutableDictionary(policy => policy.Key),
            RequestAuthentications = all.Select(AuthenticationOf).OfType<RequestAuthentication>().ToImmutableDictionary(authentication => authentication.Key),
            HttpRoutes = all.Select(RuleOf).OfType<TrafficRule>().Select((rule, i) => RouteTo(asked.Contains("-of-other", StringComparison.Ordinal) ? "other" : "a", i, rule))
                .ToImmutableDictionary(route => $"{route.Namespace}/{route.Name}"),
        };
        var mesh = new MeshSnapshotBuilder(MeshSnapshot.Empty).Set(s_service).Set(requests).Build();
        var service = all.Contains("workload") ? null : s_service;
        var place = new RequestPlace(
            mesh, service, RequestPolicies.ForWaypoint(mesh, s_gateway, service), service is null ? null : RequestRoutes.ForService(mesh, service));

        var external = new ExternalAuthorizeStage(null);
        var forward = new ForwardStage(null!);
        var stages = RequestStages.Of(place, all.Contains("filter"), external, forward);
        Assert.Equal(expected, string.Join(' ', stages.Select(stage => stage.GetType().Name[..^"Stage".Length])));
        Assert.Same(forward, stages[^1]);
        Assert.All(stages.OfType<ExternalAuthorizeStage>(), stage => Assert.Same(external, stage));
        Assert.All(stages.OfType<RouteAuthorizeStage>(), stage => Assert.Same(external.OfRoutes, stage));
    }

    private static RequestAuthorizationPolicy? PolicyOf(string asked) => asked switch
    {
        "allow" => Policy(PolicyAction.Allow),
        "deny" => Policy(PolicyAction.Deny),
        "audit" => Policy(PolicyAction.Audit),
        "dry-run-allow" => Policy(PolicyAction.Allow) with { DryRun = true },
        "dry-run-deny" => Policy(PolicyAction.Deny) with { DryRun = true },
        "custom" => Policy(PolicyAction.Custom),
        "custom-of-gateway" => Policy(PolicyAction.Custom) with { Targets = [new ObjectReference("gateway.networking.k8s.io", "Gateway", "app", "waypoint")] },
        "custom-of-other" => Policy(PolicyAction.Custom) with { Targets = [Service("other")] },
        _ => null,
    };

    private static RequestAuthentication? AuthenticationOf(string asked) => asked switch
    {
        "token" => Authentication("a", new JwtRule { Issuer = "issuer" }),
        "token-without-rules" => Authentication("a"),
        "token-of-other" => Authentication("other", new JwtRule { Issuer = "issuer" }),
        _ => null,
    };

    private static TrafficRule? RuleOf(string asked) => asked switch
    {
        "route" => Rule(Backend),
        "fault" or "fault-of-other" => Rule(Backend) with { Fault = new FaultRule() },
        "cors" => Rule(Backend) with { Cors = new CorsRule() },
        "cors-of-backend" => Rule(Backend with { Cors = new CorsRule() }),
        "authorizer" => Rule(Backend) with { Authorizer = new RouteAuthorizer(Service("a"), s_authorizer) },
        "authorizer-of-backend" => Rule(Backend with { Authorizer = new RouteAuthorizer(Service("a"), s_authorizer) }),
        _ => null,
    };

    private static RequestAuthorizationPolicy Policy(PolicyAction action) => new()
    {
        Name = action.ToString(),
        Namespace = "app",
        Action = action,
        Provider = action == PolicyAction.Custom ? "asked" : "",
        Targets = [Service("a")],
        Rules = [new RequestRule()],
    };

    private static RequestAuthentication Authentication(string service, params ImmutableArray<JwtRule> rules) =>
        new() { Name = "jwt", Namespace = "app", Targets = [Service(service)], Rules = rules };

    private static HttpRoute RouteTo(string service, int number, TrafficRule rule) => new()
    {
        Name = $"route-{number}",
        Namespace = "app",
        ParentRefs = [Service(service)],
        Rules = [rule],
    };

    private static TrafficRule Rule(TrafficBackend backend) => new() { Action = new ForwardAction { Backends = [backend] } };

    private static TrafficBackend Backend => new(Service("a"), 1);

    private static ObjectReference Service(string name) => new("", "Service", "app", name, Port: 80);
}
