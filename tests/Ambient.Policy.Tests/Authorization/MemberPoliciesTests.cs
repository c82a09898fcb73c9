using System.Collections.Immutable;
using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Policy.Authorization;

namespace Ambient.Policy.Tests.Authorization;

/// <summary>Policies of a workload that answers requests itself.</summary>
public sealed class MemberPoliciesTests
{
    private static readonly IPEndPoint s_client = IPEndPoint.Parse("10.0.0.1:4000");
    private static readonly IPEndPoint s_port = IPEndPoint.Parse("10.0.0.2:8080");
    private static readonly SpiffeId s_sleep = SpiffeId.ForServiceAccount("cluster.local", "app", "sleep");

    [Fact]
    public void Deny_OfAPath_LetsTheConnectionInAndKeepsTheRequestOut()
    {
        var policies = Of(Written("no-admin", PolicyAction.Deny, selects: true, new RequestRule { To = [new RequestOperation { Paths = Values("/admin"), Methods = Values("GET") }] }));

        Assert.True(policies.Authorize(Connection).IsAllowed);
        var denied = policies.Authorize(Request("GET", "/admin"));
        Assert.False(denied.IsAllowed);
        Assert.Equal("explicitly denied by: app/no-admin", denied.ToString());
        Assert.True(policies.Authorize(Request("GET", "/")).IsAllowed);
        Assert.True(policies.Authorize(Request("POST", "/admin")).IsAllowed);
    }

    [Fact]
    public void Allow_OfAMethod_LetsTheConnectionInAndOnlySuchRequests()
    {
        var policies = Of(Written("readers", PolicyAction.Allow, selects: false, new RequestRule { To = [new RequestOperation { Methods = Values("GET") }] }));

        Assert.True(policies.Authorize(Connection).IsAllowed);
        Assert.True(policies.Authorize(Request("GET", "/")).IsAllowed);
        Assert.False(policies.Authorize(Request("DELETE", "/")).IsAllowed);
    }

    [Fact]
    public void Policies_OfLayer4_DecideAboutConnections()
    {
        var policies = Of(Written("port", PolicyAction.Deny, selects: true, new RequestRule { To = [new RequestOperation { Ports = Values("8080") }] }));

        Assert.False(policies.Authorize(Connection).IsAllowed);
        Assert.True(policies.Authorize(Connection with { Destination = IPEndPoint.Parse("10.0.0.2:9999") }).IsAllowed);
        Assert.False(policies.Authorize(Request("GET", "/")).IsAllowed);
    }

    [Fact]
    public void Deny_GoesBeforeAllow_WhicheverLayerEachIsOf()
    {
        var policies = Of(
            Written("all", PolicyAction.Allow, selects: false, new RequestRule { To = [new RequestOperation { Paths = Values("*") }] }),
            Written("sleep", PolicyAction.Deny, selects: true, new RequestRule { From = [new RequestSource { Principals = Values("cluster.local/ns/app/sa/sleep") }] }));

        Assert.False(policies.Authorize(Connection).IsAllowed);
        Assert.False(policies.Authorize(Request("GET", "/")).IsAllowed);
    }

    [Theory]
    [InlineData("other", false)]
    [InlineData("app", true)]
    public void Policies_OfOtherNamespaces_DoNotApply(string ns, bool applies)
    {
        var policy = Written("deny", PolicyAction.Deny, selects: false, new RequestRule { To = [new RequestOperation { Paths = Values("/admin") }] }) with { Namespace = ns };

        Assert.Equal(!applies, Of(policy).Authorize(Request("GET", "/admin")).IsAllowed);
    }

    private static ConnectionFacts Connection => new(s_client, s_port, s_sleep);

    private static RequestFacts Request(string method, string path) => new()
    {
        Identity = s_sleep,
        Source = s_client,
        Destination = s_port,
        Method = method,
        Host = "shop",
        Path = path,
        Header = static _ => null,
    };

    private static ValueMatch Values(params string[] values) => new([.. values], []);

    private static RequestAuthorizationPolicy Written(string name, PolicyAction action, bool selects, RequestRule rule) => new()
    {
        Name = name,
        Namespace = "app",
        Action = action,
        Selector = selects ? ImmutableDictionary<string, string>.Empty.Add("app", "shop") : null,
        Rules = [rule],
    };

    /// <summary>As the translation of manifests leaves them: each policy as written, and what layer 4 makes of it.</summary>
    private static MemberPolicies Of(params RequestAuthorizationPolicy[] written)
    {
        var workload = new Workload
        {
            Uid = "Kubernetes//Pod/app/shop-0",
            Name = "shop-0",
            Namespace = "app",
            ServiceAccount = "shop",
            Addresses = [s_port.Address],
            AuthorizationPolicies = [.. written.Where(policy => policy.Selector is not null).Select(policy => policy.Key)],
        };
        var builder = new MeshSnapshotBuilder(MeshSnapshot.Empty);
        builder.Set(workload);
        foreach (var policy in written)
        {
            builder.Set(new AuthorizationPolicy
            {
                Name = policy.Name,
                Namespace = policy.Namespace,
                Scope = policy.Selector is null ? PolicyScope.Namespace : PolicyScope.WorkloadSelector,
                Action = policy.Action,
                Rules = [.. policy.Rules.Where(rule => policy.Action == PolicyAction.Deny || !rule.AsksForRequest).Select(Layer4)],
            });
        }

        builder.Set(RequestConfiguration.Empty with { AuthorizationPolicies = written.ToImmutableDictionary(policy => policy.Key) });
        var mesh = builder.Build();
        return MemberPolicies.Of(mesh, mesh.Workloads[workload.Uid]);
    }

    private static PolicyRule Layer4(RequestRule rule)
    {
        var clauses = new List<PolicyClause>();
        if (rule.To.Length > 0)
        {
            clauses.Add(new PolicyClause([.. rule.To.Select(to => new PolicyMatch { DestinationPorts = [.. to.Ports.Values.Select(int.Parse)] })]));
        }

        if (rule.From.Length > 0)
        {
            clauses.Add(new PolicyClause([.. rule.From.Select(from => new PolicyMatch { Principals = [.. from.Principals.Values.Select(StringMatch.Parse)] })]));
        }

        return new PolicyRule([.. clauses]);
    }
}
