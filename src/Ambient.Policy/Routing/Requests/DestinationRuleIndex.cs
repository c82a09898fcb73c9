using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>DestinationRules by namespace and host.</summary>
internal sealed class DestinationRuleIndex
{
    private readonly Dictionary<(string Namespace, string Host), ImmutableArray<DestinationRule>> _byHost = [];
    private readonly Dictionary<string, ImmutableArray<DestinationRule>> _wildcards = new(StringComparer.Ordinal);

    internal DestinationRuleIndex(IEnumerable<DestinationRule> rules)
    {
        foreach (var group in rules.GroupBy(static rule => (rule.Namespace, rule.Host)))
        {
            var oldestFirst = group.OrderBy(static rule => rule.CreationTime).ThenBy(static rule => rule.Name, StringComparer.Ordinal).ToImmutableArray();

            // What a control plane has worked out for a wildcard is for the service of that name, and for none that is within it.
            if (group.Key.Host.StartsWith('*') && group.All(static rule => rule.Origin is null))
            {
                _wildcards[group.Key.Namespace] = _wildcards.GetValueOrDefault(group.Key.Namespace, []).AddRange(oldestFirst);
            }
            else
            {
                _byHost[group.Key] = oldestFirst;
            }
        }

        foreach (var (ns, found) in _wildcards.ToArray())
        {
            // The longest is the most specific; the sort keeps the order of those of one host.
            _wildcards[ns] = [.. found.OrderByDescending(static rule => rule.Host.Length).ThenBy(static rule => rule.Host, StringComparer.Ordinal)];
        }
    }

    /// <summary>The rules of the host that count for a client: all of one namespace and host, the oldest first; empty: none.</summary>
    internal ImmutableArray<DestinationRule> Find(RequestConfiguration requests, Workload client, MeshService service)
    {
        var own = In(client.Namespace, requests, client, service);
        if (!own.IsEmpty)
        {
            return own;
        }

        var theirs = service.Namespace == client.Namespace ? [] : In(service.Namespace, requests, client, service);
        if (!theirs.IsEmpty)
        {
            return theirs;
        }

        var root = requests.RootNamespace;
        return root == client.Namespace || root == service.Namespace ? [] : In(root, requests, client, service);
    }

    private ImmutableArray<DestinationRule> In(string ns, RequestConfiguration requests, Workload client, MeshService service)
    {
        if (_byHost.TryGetValue((ns, service.Hostname), out var exact) && Counting(exact, requests, client) is { IsEmpty: false } found)
        {
            return found;
        }

        var host = "";
        var wildcards = ImmutableArray.CreateBuilder<DestinationRule>();
        foreach (var rule in _wildcards.GetValueOrDefault(ns, []))
        {
            if (!service.Hostname.AsSpan().EndsWith(rule.Host.AsSpan(1), StringComparison.Ordinal) || (wildcards.Count > 0 && rule.Host != host))
            {
                continue;
            }

            if (Counts(rule, requests, client))
            {
                host = rule.Host;
                wildcards.Add(rule);
            }
        }

        return Selected(wildcards.ToImmutable());
    }

    private static ImmutableArray<DestinationRule> Counting(ImmutableArray<DestinationRule> rules, RequestConfiguration requests, Workload client) =>
        Selected([.. rules.Where(rule => Counts(rule, requests, client))]);

    /// <summary>A rule that selects the client goes before those for everybody, and is not merged with them.</summary>
    private static ImmutableArray<DestinationRule> Selected(ImmutableArray<DestinationRule> rules)
    {
        foreach (var rule in rules)
        {
            if (!rule.WorkloadSelector.IsEmpty)
            {
                return [rule];
            }
        }

        return rules;
    }

    private static bool Counts(DestinationRule rule, RequestConfiguration requests, Workload client)
    {
        if (!rule.ExportTo.IsEmpty && !rule.ExportTo.Contains("*") && !rule.ExportTo.Contains(client.Namespace))
        {
            return false;
        }

        return rule.WorkloadSelector.IsEmpty
            || (rule.Namespace == client.Namespace && requests.WorkloadLabels.TryGetValue(client.Uid, out var labels) && BackendEndpoint.HasLabels(labels, rule.WorkloadSelector));
    }
}
