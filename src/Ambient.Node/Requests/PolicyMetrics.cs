using System.Collections.Concurrent;
using System.Collections.Immutable;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Policy.Authorization;

namespace Ambient.Node.Requests;

/// <summary>
/// Counts what policies say: those that decide nothing (AUDIT, dry run) under the names that the original's filters have for it, and these, denials and
/// what external authorizers answered by the policy too, which the original does not tell.
/// </summary>
internal sealed class PolicyMetrics(MetricRegistry registry)
{
    private readonly CounterFamily _byPolicy = Add(registry, "ambient_policy_decisions", "Requests and connections that a policy kept out, was audited by, or would have decided on trial, by policy.");
    private readonly ConcurrentDictionary<(string Policy, string Decision), Counter> _counters = new();
    private readonly CounterFamily _audits = Add(registry, "istio_audit_matched", "Requests and connections that an AUDIT policy matched.");
    private readonly CounterFamily _denyDenied = Add(registry, "istio_dry_run_deny_shadow_denied", "Requests and connections that a dry-run DENY policy would have denied.");
    private readonly CounterFamily _denyAllowed = Add(registry, "istio_dry_run_deny_shadow_allowed", "Requests and connections that no dry-run DENY policy would have denied.");
    private readonly CounterFamily _allowAllowed = Add(registry, "istio_dry_run_allow_shadow_allowed", "Requests and connections that a dry-run ALLOW policy would have allowed.");
    private readonly CounterFamily _allowDenied = Add(registry, "istio_dry_run_allow_shadow_denied", "Requests and connections that no dry-run ALLOW policy would have allowed.");

    /// <summary>Counts what was said of one request or connection.</summary>
    public void Count(ImmutableArray<PolicyNote> notes)
    {
        foreach (var note in notes.AsSpan())
        {
            FamilyOf(note.Kind).Series(MetricLabels.None).Increment();
            if (note.Policy is { } policy)
            {
                Count(policy, note.Kind switch { PolicyNoteKind.Audit => "audited", PolicyNoteKind.DryRunDenies => "dry_run_denied", _ => "dry_run_allowed" });
            }
        }
    }

    /// <summary>Counts a decision that keeps out. Of ALLOW policies none of which matched, the first stands for all.</summary>
    public void Count(in AuthorizationDecision decision)
    {
        if (decision.Policy is { } policy && !decision.IsAllowed)
        {
            Count(policy, decision.Reason switch
            {
                AuthorizationReason.DeniedByPolicy => "denied",
                AuthorizationReason.NoAllowMatched => "not_allowed",
                AuthorizationReason.DeniedByExternalAuthorizer => "denied_externally",
                AuthorizationReason.ExternalAuthorizerFailed => "failed_externally",
                AuthorizationReason.NoExternalAuthorizer or AuthorizationReason.AsksExternalAuthorizer => "nobody_to_ask",
                _ => "undecided",
            });
        }
    }

    /// <summary>Counts a question to an external authorizer that let in, or failed and let in all the same.</summary>
    public void LetIn(string policy, bool asFailed) => Count(policy, asFailed ? "failed_open" : "allowed_externally");

    /// <summary>Everything by policy.</summary>
    public IEnumerable<(string Policy, string Decision, long Count)> ByPolicy =>
        _counters.Select(static entry => (entry.Key.Policy, entry.Key.Decision, entry.Value.Value)).OrderBy(static entry => entry.Policy, StringComparer.Ordinal).ThenBy(static entry => entry.Decision, StringComparer.Ordinal);

    private void Count(string policy, string decision)
    {
        if (!_counters.TryGetValue((policy, decision), out var counter))
        {
            counter = _counters.GetOrAdd((policy, decision), _byPolicy.Series(MetricLabels.Of(("policy", policy), ("decision", decision))));
        }

        counter.Increment();
    }

    private CounterFamily FamilyOf(PolicyNoteKind kind) => kind switch
    {
        PolicyNoteKind.Audit => _audits,
        PolicyNoteKind.DryRunDenies => _denyDenied,
        PolicyNoteKind.DryRunDoesNotDeny => _denyAllowed,
        PolicyNoteKind.DryRunAllows => _allowAllowed,
        _ => _allowDenied,
    };

    private static CounterFamily Add(MetricRegistry registry, string name, string help) => registry.Add(new CounterFamily(name, help));
}
