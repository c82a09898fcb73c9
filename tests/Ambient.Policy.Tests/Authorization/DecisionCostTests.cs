using System.Collections.Immutable;
using System.Diagnostics;
using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Policy.Authorization;

namespace Ambient.Policy.Tests.Authorization;

/// <summary>
/// A decision costs what could match, not what there is. Compared within one run, so that a slow machine does not matter; that it is less
/// than a microsecond is for the benchmark to show.
/// </summary>
public sealed class DecisionCostTests
{
    private const double AtMost = 3;
    private static readonly SpiffeId s_client = SpiffeId.Parse("spiffe://cluster.local/ns/app/sa/client-5");
    private static readonly SpiffeId s_stranger = SpiffeId.Parse("spiffe://cluster.local/ns/app/sa/stranger");

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Connection_WithTenThousandPoliciesOfItsNamespace_CostsNoMoreThanThreeTimesAsWithTen(bool refused)
    {
        AssertRatio(policies => Connection(policies, refused));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Request_WithTenThousandPoliciesInTheMesh_CostsNoMoreThanThreeTimesAsWithTen(bool refused)
    {
        AssertRatio(policies => Request(policies, refused));
    }

    private static void AssertRatio(Func<int, Action> decision)
    {
        var (few, many) = (decision(10), decision(10_000));
        var best = double.MaxValue;
        for (var round = 0; round < 20 && best > AtMost; round++)
        {
            best = Math.Min(best, Time(many) / Time(few));
        }

        Assert.True(best <= AtMost, $"{best:F1} times");
    }

    private static double Time(Action decision)
    {
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < 2000; i++)
        {
            decision();
        }

        return Stopwatch.GetElapsedTime(start).TotalNanoseconds;
    }

    private static Action Connection(int policies, bool refused)
    {
        var builder = new MeshSnapshotBuilder(MeshSnapshot.Empty);
        for (var i = 0; i < policies; i++)
        {
            builder.Set(new AuthorizationPolicy
            {
                Name = $"p{i}",
                Namespace = "app",
                Scope = PolicyScope.Namespace,
                Action = i % 2 == 0 ? PolicyAction.Deny : PolicyAction.Allow,
                Rules = [new PolicyRule([new PolicyClause([new PolicyMatch { Principals = [StringMatch.Parse($"cluster.local/ns/app/sa/client-{i}")] }])])],
            });
        }

        var workload = new Workload { Uid = "w", Name = "w", Namespace = "app", Addresses = [IPAddress.Parse("10.0.0.1")] };
        var mesh = builder.Set(workload).Build();
        var facts = new ConnectionFacts(IPEndPoint.Parse("10.0.0.2:4000"), IPEndPoint.Parse("10.0.0.1:80"), refused ? s_stranger : s_client);
        Assert.Equal(!refused, ConnectionAuthorizer.Authorize(mesh, workload, facts).IsAllowed);
        return () => ConnectionAuthorizer.Authorize(mesh, workload, facts);
    }

    private static Action Request(int policies, bool refused)
    {
        var builder = new MeshSnapshotBuilder(MeshSnapshot.Empty);
        var all = Enumerable.Range(0, policies).Select(i => new RequestAuthorizationPolicy
        {
            Name = $"p{i}",
            Namespace = $"ns{i / 10}",
            Action = i % 2 == 0 ? PolicyAction.Deny : PolicyAction.Allow,
            Targets = [new ObjectReference("", "Service", $"ns{i / 10}", "web")],
            Rules = [new RequestRule { From = [new RequestSource { Principals = new ValueMatch([$"cluster.local/ns/app/sa/client-{i}"], []) }] }],
        });
        var service = new MeshService { Name = "web", Namespace = "ns0", Hostname = "web.ns0.svc.cluster.local" };
        var waypoint = new Gateway { Name = "waypoint", Namespace = "ns0", ClassName = "istio-waypoint" };
        var mesh = builder.Set(new RequestConfiguration { AuthorizationPolicies = all.ToImmutableDictionary(policy => policy.Key) }).Build();
        var place = RequestPolicies.ForWaypoint(mesh, waypoint, service);
        var facts = new RequestFacts
        {
            Method = "GET",
            Host = "web",
            Path = "/",
            Header = _ => null,
            Source = IPEndPoint.Parse("10.0.0.2:4000"),
            Destination = IPEndPoint.Parse("10.0.0.1:80"),
            Identity = refused ? s_stranger : s_client,
        };
        Assert.Equal(!refused, RequestAuthorizer.Authorize(place, facts).IsAllowed);
        return () => RequestAuthorizer.Authorize(place, facts);
    }
}
