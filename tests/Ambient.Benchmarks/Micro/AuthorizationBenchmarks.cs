using System.Collections.Immutable;
using System.Net;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Policy.Authorization;
using BenchmarkDotNet.Attributes;

namespace Ambient.Benchmarks.Micro;

/// <summary>One connection's decision in a mesh with 10,000 policies: 1,000 namespaces with ten each, of which five apply to the workload.</summary>
[MemoryDiagnoser]
public class AuthorizationBenchmarks
{
    private const int Namespaces = 1000;
    private readonly MeshSnapshot _mesh;
    private readonly Workload _destination;
    private readonly ConnectionFacts _allowed;
    private readonly ConnectionFacts _refused;

    public AuthorizationBenchmarks()
    {
        var builder = new MeshSnapshotBuilder(MeshSnapshot.Empty);
        for (var n = 0; n < Namespaces; n++)
        {
            var ns = $"ns{n}";
            builder.Set(Policy(ns, "deny-port", PolicyScope.Namespace, PolicyAction.Deny, new PolicyMatch { DestinationPorts = [9999] }));
            builder.Set(Policy(ns, "allow-gateway", PolicyScope.Namespace, PolicyAction.Allow, Principal("cluster.local/ns/istio-system/sa/gateway")));
            for (var p = 0; p < 8; p++)
            {
                builder.Set(Policy(ns, $"allow-{p}", PolicyScope.WorkloadSelector, PolicyAction.Allow, Principal($"cluster.local/ns/{ns}/sa/client-{p}")));
            }

            builder.Set(new Workload
            {
                Uid = $"Kubernetes//Pod/{ns}/web",
                Name = "web",
                Namespace = ns,
                Addresses = [new IPAddress([10, 1, (byte)(n >> 8), (byte)n])],
                Protocol = TunnelProtocol.Hbone,
                AuthorizationPolicies = [$"{ns}/allow-1", $"{ns}/allow-3", $"{ns}/allow-7"],
            });
        }

        _mesh = builder.Build();
        _destination = _mesh.Workloads["Kubernetes//Pod/ns500/web"];
        _allowed = Facts("spiffe://cluster.local/ns/ns500/sa/client-7");
        _refused = Facts("spiffe://cluster.local/ns/ns500/sa/stranger");
        if (!Allowed().IsAllowed || Refused().IsAllowed || _mesh.Policies.Count != 10 * Namespaces)
        {
            throw new InvalidOperationException("the mesh does not decide as the benchmark assumes");
        }
    }

    [Benchmark]
    public AuthorizationDecision Allowed() => ConnectionAuthorizer.Authorize(_mesh, _destination, _allowed);

    [Benchmark]
    public AuthorizationDecision Refused() => ConnectionAuthorizer.Authorize(_mesh, _destination, _refused);

    private static ConnectionFacts Facts(string identity) => new(IPEndPoint.Parse("10.2.0.1:40000"), IPEndPoint.Parse("10.1.1.244:8080"), SpiffeId.Parse(identity));

    private static PolicyMatch Principal(string principal) => new() { Principals = [StringMatch.Parse(principal)] };

    private static AuthorizationPolicy Policy(string ns, string name, PolicyScope scope, PolicyAction action, PolicyMatch match) => new()
    {
        Namespace = ns,
        Name = name,
        Scope = scope,
        Action = action,
        Rules = [new PolicyRule([new PolicyClause([match])])],
    };
}
