using System.Net;
using System.Text;
using System.Text.Json;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Testing.Golden;

/// <summary>
/// Asks our decisions what the originals were asked. Whichever source the snapshot came from, the answers have to be the
/// recorded ones; each disagreement is a text that shows the line, what was asked, what was recorded and what we say.
/// </summary>
public static class GoldenDecisions
{
    // The recording drew sixty times. A share of one in eight is missed by three hundred draws once in 10^17.
    private const int Draws = 300;

    /// <summary>Disagreements with <c>authorize.jsonl</c>.</summary>
    public static IReadOnlyList<string> CheckAuthorize(MeshSnapshot mesh, string caseFolder)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        var faults = new List<string>();
        foreach (var (line, question) in GoldenMesh.Questions(caseFolder, "authorize.jsonl"))
        {
            var uid = question.GetProperty("workload").GetString()!;
            if (!mesh.Workloads.TryGetValue(uid, out var workload))
            {
                faults.Add($"authorize.jsonl:{line}: the mesh has no workload {uid}");
                continue;
            }

            var identity = question.GetProperty("identity").GetString();
            var facts = new ConnectionFacts(
                IPEndPoint.Parse(question.GetProperty("source").GetString()!),
                IPEndPoint.Parse(question.GetProperty("destination").GetString()!),
                identity is null ? null : SpiffeId.Parse(identity));
            var decision = ConnectionAuthorizer.Authorize(mesh, workload, facts);
            var expected = question.GetProperty("allowed").GetBoolean();
            if (decision.IsAllowed != expected || (!expected && !SameReason(mesh, workload, facts, question.GetProperty("reason").GetString()!, decision)))
            {
                faults.Add($"authorize.jsonl:{line}: asked {question.GetRawText()}\n  got {(decision.IsAllowed ? "allowed" : "denied")}: {decision}");
            }
        }

        return faults;
    }

    /// <summary>Disagreements with <c>connect.jsonl</c>.</summary>
    public static IReadOnlyList<string> CheckConnect(MeshSnapshot mesh, string caseFolder)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        var faults = new List<string>();
        var random = new Random(1);
        foreach (var (line, question) in GoldenMesh.Questions(caseFolder, "connect.jsonl"))
        {
            var uid = question.GetProperty("workload").GetString()!;
            if (!mesh.Workloads.TryGetValue(uid, out var workload))
            {
                faults.Add($"connect.jsonl:{line}: the mesh has no workload {uid}");
                continue;
            }

            var destination = IPEndPoint.Parse(question.GetProperty("destination").GetString()!);
            var got = new SortedSet<string>(StringComparer.Ordinal);
            for (var i = 0; i < Draws; i++)
            {
                got.Add(Describe(DestinationResolver.Resolve(mesh, workload, destination, random)));
            }

            var recorded = question.GetProperty("outcomes").EnumerateArray().Select(Describe).ToHashSet(StringComparer.Ordinal);

            // The recording of a question ended with its first error, so an error says nothing of what else might come.
            var same = recorded.Any(outcome => outcome.StartsWith("error", StringComparison.Ordinal))
                ? recorded.IsSubsetOf(got)
                : got.SetEquals(recorded);
            if (!same)
            {
                faults.Add($"connect.jsonl:{line}: {uid} to {destination}\n  recorded {string.Join("\n           ", recorded.Order(StringComparer.Ordinal))}\n  got      {string.Join("\n           ", got)}");
            }
        }

        return faults;
    }

    private static bool SameReason(MeshSnapshot mesh, Workload workload, ConnectionFacts facts, string recorded, AuthorizationDecision decision)
    {
        const string Denied = "explicitly denied by: ";
        if (!recorded.StartsWith(Denied, StringComparison.Ordinal))
        {
            return decision.Reason == AuthorizationReason.NoAllowMatched;
        }

        // Which of several denying policies is named is a matter of order; both must truly deny.
        return decision.Reason == AuthorizationReason.DeniedByPolicy
            && mesh.Policies.TryGetValue(recorded[Denied.Length..], out var policy)
            && policy.Action == PolicyAction.Deny
            && ConnectionPolicyMatcher.MatchingRule(policy, facts) >= 0
            && (policy.Scope == PolicyScope.Global
                || (policy.Scope == PolicyScope.Namespace && policy.Namespace == workload.Namespace)
                || workload.AuthorizationPolicies.Contains(policy.Key));
    }

    private static string Describe(ConnectionRoute route) => route.Error is { } error
        ? "error " + Kind(error)
        : Describe(
            route.Protocol == ConnectionProtocol.Tcp ? "TCP" : route.Protocol == ConnectionProtocol.Hbone ? "HBONE" : "DOUBLEHBONE",
            route.NextHop!.ToString(),
            route.Authority,
            route.NextHopWorkload?.Uid,
            route.Service?.Key,
            route.AcceptedIdentities.Select(identity => identity.ToString()));

    private static string Describe(JsonElement outcome) => outcome.TryGetProperty("error", out var error)
        ? "error " + Kind(error.GetString()!)
        : Describe(
            outcome.GetProperty("protocol").GetString()!,
            outcome.GetProperty("nextHop").GetString()!,
            outcome.GetProperty("tunnelTarget").GetString(),
            outcome.GetProperty("nextHopWorkload").GetString(),
            outcome.GetProperty("service").GetString(),
            outcome.GetProperty("acceptedIdentities").EnumerateArray().Select(identity => identity.GetString()!));

    private static string Describe(
        string protocol, string nextHop, string? authority, string? workload, string? service, IEnumerable<string> identities) =>
        new StringBuilder($"{protocol} to {nextHop}")
            .Append($", authority {authority ?? "none"}, workload {workload ?? "none"}, service {service ?? "none"}")
            .Append($", accepting {string.Join(' ', identities.Order(StringComparer.Ordinal))}")
            .ToString();

    /// <summary>
    /// The kind of an error: what stands before its first colon. Texts that are the same in both carry their subject too.
    /// </summary>
    private static string Kind(string error) =>
        error.StartsWith("no healthy upstream", StringComparison.Ordinal) || error.StartsWith("no ip addresses", StringComparison.Ordinal)
            ? error
            : error.Split(':')[0];
}
