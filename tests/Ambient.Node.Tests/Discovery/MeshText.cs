using System.Collections.Immutable;
using System.Globalization;
using Ambient.Mesh;

namespace Ambient.Node.Tests.Discovery;

/// <summary>Objects of the mesh as lines of <c>key field = value</c>, so that a difference reads as the field that differs.</summary>
internal static class MeshText
{
    public static SortedDictionary<string, string> Of(
        IEnumerable<Workload> workloads, IEnumerable<MeshService> services, IEnumerable<AuthorizationPolicy> policies)
    {
        var lines = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var workload in workloads)
        {
            Add(lines, $"workload {workload.Uid}", Fields(workload));
        }

        foreach (var service in services)
        {
            Add(lines, $"service {service.Key}", Fields(service));
        }

        foreach (var policy in policies)
        {
            Add(lines, $"policy {policy.Key}", Fields(policy));
        }

        return lines;
    }

    /// <summary>What differs, one line each.</summary>
    public static List<string> Differences(SortedDictionary<string, string> expected, SortedDictionary<string, string> actual)
    {
        var differences = new List<string>();
        foreach (var key in expected.Keys.Union(actual.Keys).Order(StringComparer.Ordinal))
        {
            var recorded = expected.GetValueOrDefault(key, "(absent)");
            var ours = actual.GetValueOrDefault(key, "(absent)");
            if (recorded != ours)
            {
                differences.Add($"{key}: recorded {recorded}, ours {ours}");
            }
        }

        return differences;
    }

    private static void Add(SortedDictionary<string, string> lines, string key, IEnumerable<(string Name, object? Value)> fields)
    {
        foreach (var (name, value) in fields)
        {
            lines.Add($"{key} {name}", Convert.ToString(value, CultureInfo.InvariantCulture) ?? "null");
        }
    }

    private static IEnumerable<(string, object?)> Fields(Workload w) =>
    [
        ("name", w.Name), ("namespace", w.Namespace), ("trustDomain", w.TrustDomain), ("serviceAccount", w.ServiceAccount),
        ("addresses", List(w.Addresses)), ("hostname", w.Hostname), ("network", w.Network), ("protocol", w.Protocol),
        ("networkMode", w.NetworkMode), ("node", w.Node), ("workloadName", w.WorkloadName), ("workloadType", w.WorkloadType),
        ("canonicalName", w.CanonicalName), ("canonicalRevision", w.CanonicalRevision), ("clusterId", w.ClusterId),
        ("locality", w.Locality), ("status", w.Status), ("nativeTunnel", w.NativeTunnel), ("applicationTunnel", w.ApplicationTunnel),
        ("authorizationPolicies", List(w.AuthorizationPolicies)), ("waypoint", Gateway(w.Waypoint)),
        ("networkGateway", Gateway(w.NetworkGateway)), ("capacity", w.Capacity),
        ("services", string.Join("; ", w.Services.OrderBy(s => s.Key, StringComparer.Ordinal).Select(s => $"{s.Key} {List(s.Value)}"))),
    ];

    // The workload API has no word for these: istiod sends mysql, mongo and redis as unknown.
    private static ServicePort OnTheWire(ServicePort port) => port.AppProtocol > AppProtocol.Tls ? port with { AppProtocol = AppProtocol.Unknown } : port;

    private static IEnumerable<(string, object?)> Fields(MeshService s) =>
    [
        ("name", s.Name), ("namespace", s.Namespace), ("hostname", s.Hostname), ("vips", List(s.Vips)), ("cidrVips", List(s.CidrVips)),
        ("ports", List([.. s.Ports.Select(OnTheWire)])), ("subjectAltNames", List(s.SubjectAltNames)), ("waypoint", Gateway(s.Waypoint)),
        ("weightedWaypoints", string.Join(", ", s.WeightedWaypoints.Select(w => $"{Gateway(w.Destination)} {w.Weight}"))),
        ("loadBalancing", s.LoadBalancing is { } lb ? $"{List(lb.RoutingPreference)} {lb.Mode} {lb.HealthPolicy}" : "none"),
        ("ipFamilies", s.IPFamilies), ("canonical", s.Canonical), ("visibility", s.Visibility), ("ingressUseWaypoint", s.IngressUseWaypoint),
    ];

    private static IEnumerable<(string, object?)> Fields(AuthorizationPolicy p) =>
    [
        ("scope", p.Scope), ("action", p.Action), ("dryRun", p.DryRun),
        .. p.Rules.Select((rule, i) => ($"rules[{i}]", (object?)string.Join(" AND ", rule.Clauses.Select(
            clause => $"({string.Join(" OR ", clause.Matches.Select(Match))})")))),
    ];

    private static string Match(PolicyMatch m) => string.Join(
        ", ",
        new (string Name, string Value)[]
        {
            ("namespaces", List(m.Namespaces)), ("notNamespaces", List(m.NotNamespaces)), ("principals", List(m.Principals)),
            ("notPrincipals", List(m.NotPrincipals)), ("serviceAccounts", List(m.ServiceAccounts)),
            ("notServiceAccounts", List(m.NotServiceAccounts)), ("sourceIPs", List(m.SourceIPs)), ("notSourceIPs", List(m.NotSourceIPs)),
            ("destinationIPs", List(m.DestinationIPs)), ("notDestinationIPs", List(m.NotDestinationIPs)),
            ("destinationPorts", List(m.DestinationPorts)), ("notDestinationPorts", List(m.NotDestinationPorts)),
        }.Where(field => field.Value != "[]").Select(field => $"{field.Name} {field.Value}"));

    private static string Gateway(GatewayAddress? gateway) => gateway is null ? "none" : $"{gateway}:{gateway.HboneMtlsPort}";

    private static string List<T>(ImmutableArray<T> items) => $"[{string.Join(", ", items)}]";
}
