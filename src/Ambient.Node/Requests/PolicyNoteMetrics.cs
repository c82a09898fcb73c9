using System.Collections.Immutable;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Policy.Authorization;

namespace Ambient.Node.Requests;

/// <summary>Counts what policies say that decide nothing (AUDIT, dry run), under the names that the original's filters have for it.</summary>
internal sealed class PolicyNoteMetrics(MetricRegistry registry)
{
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
        }
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
