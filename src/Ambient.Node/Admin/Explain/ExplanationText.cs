using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Node.Admin.Explain;

/// <summary>An explanation for a person, to be read from top to bottom.</summary>
internal static class ExplanationText
{
    /// <summary>The text.</summary>
    public static string Write(Explanation explanation)
    {
        ArgumentNullException.ThrowIfNull(explanation);
        var text = new StringBuilder();
        var (source, destination, name) = explanation.Question;
        Line(text, $"from  {Name(source)} ({string.Join(", ", source.Addresses)}), {(source.Protocol == TunnelProtocol.Hbone ? "in the mesh" : "not in the mesh")}, node {Or(source.Node)}");
        Line(text, $"      {source.Identity}");
        Line(text, $"to    {(name is null ? "" : $"{name} = ")}{destination}");
        Line(text, $"      {What(explanation)}");
        Line(text, $"mesh  snapshot {explanation.Version}");
        Endpoints(text, explanation);
        foreach (var outcome in explanation.Outcomes)
        {
            text.Append('\n');
            Outcome(text, outcome, explanation.Outcomes.Length > 1);
        }

        return text.ToString();
    }

    private static string What(Explanation explanation) =>
        explanation.Workload is { } workload ? $"is workload {Name(workload)}{(workload.Waypoint is { } w ? $", with waypoint {w}" : "")}"
        : explanation.Service is { } service ? $"is service {service.Key}{Waypoints(service)}"
        : "is unknown to the mesh: it is passed through unchanged";

    private static string Waypoints(MeshService service) =>
        service.WeightedWaypoints.Length > 0 ? $", with waypoints {string.Join(", ", service.WeightedWaypoints.Select(weighted => $"{weighted.Destination} (weight {weighted.Weight})"))}"
        : service.Waypoint is { } waypoint ? $", with waypoint {waypoint}"
        : "";

    private static void Endpoints(StringBuilder text, Explanation explanation)
    {
        if (explanation.Service is not { } service)
        {
            return;
        }

        Line(text, $"\nendpoints of {service.Key} for port {explanation.Question.Destination.Port}{(service.Waypoint is null && service.WeightedWaypoints.IsEmpty ? "" : " (the waypoint chooses among them)")}");
        foreach (var candidate in explanation.Candidates)
        {
            var where = $"{string.Join(", ", candidate.Workload.Addresses)}{(candidate.Port is { } port ? $" port {port}" : "")}";
            Line(text, candidate.Excluded is null
                ? $"  + {Name(candidate.Workload)} ({where}), weight {candidate.Workload.Capacity}"
                : $"  - {Name(candidate.Workload)} ({where}): {candidate.Excluded}");
        }

        if (explanation.Candidates.IsEmpty)
        {
            Line(text, "  none is healthy");
        }
    }

    private static void Outcome(StringBuilder text, ExplainedOutcome outcome, bool oneOfMany)
    {
        var share = oneOfMany ? string.Create(CultureInfo.InvariantCulture, $"{outcome.Share * 100:0} % of connections: ") : "";
        var route = outcome.Route;
        if (route.Error is { } error)
        {
            Line(text, $"=> {share}REFUSED: {error}");
            return;
        }

        Line(text, $"=> {share}{Sentence(route)}");
        if (outcome.Presented is { } identity)
        {
            Line(text, $"   presents  {identity}");
            Line(text, $"   accepts   {Whom(route.AcceptedIdentities, route.AcceptedTrustDomains)}");
            if (route.Protocol == ConnectionProtocol.DoubleHbone)
            {
                Line(text, $"   and inside that tunnel accepts {Whom(route.InnerAcceptedIdentities, route.InnerAcceptedTrustDomains)}");
            }
        }

        Policies(text, outcome);
    }

    /// <summary>Whose certificates are taken.</summary>
    internal static string Whom(ImmutableArray<SpiffeId> identities, ImmutableArray<TrustDomain> domains) =>
        !identities.IsEmpty ? string.Join(", ", identities)
        : domains.IsEmpty ? "nobody: the handshake fails"
        : $"any member of {string.Join(", ", domains)}";

    /// <summary>How a connection is carried.</summary>
    internal static string Sentence(ConnectionRoute route) => route.Protocol switch
    {
        ConnectionProtocol.Tcp => $"plain TCP to {route.NextHop}{Of(route.NextHopWorkload)}",
        ConnectionProtocol.DoubleHbone => $"a tunnel to the gateway {route.NextHop}{Of(route.NextHopWorkload)}, and in it a tunnel for {route.Authority}",
        _ => $"a tunnel to {(route.ViaWaypoint ? "the waypoint " : "")}{route.NextHop}{Of(route.NextHopWorkload)}, for {route.Authority}",
    };

    private static void Policies(StringBuilder text, ExplainedOutcome outcome)
    {
        if (outcome.Delivery is not { } facts || outcome.Decision is not { } decision)
        {
            Line(text, outcome.Route.Protocol == ConnectionProtocol.DoubleHbone ? "   policies are another cluster's" : "   no policies: the other end is not in the mesh");
            return;
        }

        Line(text, $"   policies at {Name(outcome.Route.NextHopWorkload!)} for {facts.Destination}, from {facts.Source.Address} as {facts.Identity?.ToString() ?? "nobody (plaintext)"}");
        foreach (var (policy, rule, missed) in outcome.Policies)
        {
            var action = policy.Action == PolicyAction.Deny ? "DENY " : "ALLOW";
            Line(text, $"     {action} {policy.Key}{(policy.DryRun ? " (dry run)" : "")}: {(rule is { } index ? $"matches by rule {index}" : $"does not match ({missed})")}");
        }

        foreach (var unknown in outcome.UnknownPolicies)
        {
            Line(text, $"     {unknown}: listed by the workload but unknown; skipped");
        }

        Line(text, $"   {(decision.IsAllowed ? "ALLOWED" : "DENIED")}: {decision}{(outcome.Route.ViaWaypoint ? "; the waypoint holds the policies of layer 7, and those of the service" : "")}");
    }

    private static string Of(Workload? workload) => workload is null ? "" : $" of {Name(workload)}";

    private static string Name(Workload workload) => $"{workload.Namespace}/{workload.Name}";

    private static string Or(string text) => text.Length == 0 ? "(none)" : text;

    private static void Line(StringBuilder text, string line) => text.Append(line).Append('\n');
}
