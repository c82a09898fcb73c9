using System.Collections.Immutable;
using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Policy.Authorization;
using BenchmarkDotNet.Attributes;

namespace Ambient.Benchmarks.Micro;

/// <summary>
/// One request's decision at a place with many policies, each of which is about a tenant of its own: by principal, by host, by the beginning of a
/// path, or by a header. Nine in ten allow, one denies. And what a change of one policy costs.
/// </summary>
[MemoryDiagnoser]
public class RequestAuthorizationBenchmarks
{
    private static readonly MeshService s_service = new() { Name = "web", Namespace = "app", Hostname = "web.app.svc.cluster.local" };
    private static readonly Gateway s_waypoint = new() { Name = "waypoint", Namespace = "app", ClassName = "istio-waypoint" };
    private RequestPolicies _place = null!;
    private MeshSnapshot _mesh = null!;
    private MeshSnapshot _changed = null!;
    private RequestFacts _concerned;
    private RequestFacts _unconcerned;

    /// <summary>How many policies.</summary>
    [Params(10, 100, 10_000)]
    public int Policies { get; set; }

    /// <summary>Makes the place.</summary>
    [GlobalSetup]
    public void Setup()
    {
        var policies = Enumerable.Range(0, Policies).Select(Policy).ToImmutableDictionary(policy => policy.Key);
        var changed = policies["app/p1"] with { Rules = [new RequestRule { To = [new RequestOperation { Paths = Only("/changed*") }] }] };
        _mesh = MeshOf(policies);
        _changed = MeshOf(policies.SetItem(changed.Key, changed));
        _place = RequestPolicies.ForWaypoint(_mesh, s_waypoint, s_service);
        _concerned = Facts("spiffe://cluster.local/ns/app/sa/client-4", "tenant-9.example", "/api/6/orders");
        _unconcerned = Facts("spiffe://cluster.local/ns/app/sa/stranger", "other.example", "/other");
        if (!Concerned().IsAllowed || Unconcerned().Reason != AuthorizationReason.NoAllowMatched)
        {
            throw new InvalidOperationException("the policies do not decide as the benchmark assumes");
        }
    }

    /// <summary>A request that three policies are about.</summary>
    [Benchmark]
    public AuthorizationDecision Concerned() => RequestAuthorizer.Authorize(_place, _concerned);

    /// <summary>A request that no policy is about.</summary>
    [Benchmark]
    public AuthorizationDecision Unconcerned() => RequestAuthorizer.Authorize(_place, _unconcerned);

    /// <summary>Everything compiled, and the first decision.</summary>
    [Benchmark]
    public AuthorizationDecision Compile() => RequestAuthorizer.Authorize(RequestPolicies.ForWaypoint(_mesh, s_waypoint, s_service), _unconcerned);

    /// <summary>One policy changed, and the first decision after.</summary>
    [Benchmark]
    public AuthorizationDecision Update() => RequestAuthorizer.Authorize(RequestPolicies.ForWaypoint(_changed, s_waypoint, s_service, _place), _unconcerned);

    private static MeshSnapshot MeshOf(ImmutableDictionary<string, RequestAuthorizationPolicy> policies) =>
        new MeshSnapshotBuilder(MeshSnapshot.Empty).Set(new RequestConfiguration { AuthorizationPolicies = policies }).Build();

    private static RequestFacts Facts(string identity, string host, string path) => new()
    {
        Identity = SpiffeId.Parse(identity),
        Source = IPEndPoint.Parse("10.2.0.1:40000"),
        Destination = IPEndPoint.Parse("10.1.1.244:80"),
        Method = "GET",
        Host = host,
        Path = path,
        Header = static name => name == "x-tenant" ? "none" : null,
    };

    private static ValueMatch Only(string value) => new([value], []);

    private static RequestAuthorizationPolicy Policy(int i) => new()
    {
        Name = $"p{i}",
        Namespace = "app",
        Action = i % 10 == 0 ? PolicyAction.Deny : PolicyAction.Allow,
        Targets = [new ObjectReference("", "Service", "app", "web")],
        Rules =
        [
            (i % 5) switch
            {
                0 => new RequestRule { From = [new RequestSource { Principals = Only($"cluster.local/ns/app/sa/bad-{i}") }], To = [new RequestOperation { Methods = Only("GET") }] },
                1 => new RequestRule { To = [new RequestOperation { Paths = Only($"/api/{i}/*"), Methods = Only("GET") }] },
                2 => new RequestRule { When = [new RequestCondition("request.headers[x-tenant]", Only($"tenant-{i}"))] },
                3 => new RequestRule { To = [new RequestOperation { Paths = Only($"/static/{i}/{{**}}") }] },
                _ => new RequestRule { From = [new RequestSource { Principals = Only($"cluster.local/ns/app/sa/client-{i}") }], To = [new RequestOperation { Hosts = Only("tenant-9.example") }] },
            },
        ],
    };
}
