using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;

namespace Ambient.Node.Discovery.LocalConfig;

/// <summary>
/// Reads the policies of the local format. Stricter than the original in one thing: a value that does not parse is an
/// error, not a value left out, since leaving one out can widen a match.
/// </summary>
internal static class LocalPolicyReader
{
    public static AuthorizationPolicy Read(FieldReader fields)
    {
        fields.RejectUnknown("name", "namespace", "scope", "action", "rules", "dryRun");
        var (ns, name) = (fields.RequiredString("namespace"), fields.RequiredString("name"));
        fields.Errors.Subject = $"policy {ns}/{name}";
        fields.RequiredString("scope");
        fields.RequiredString("action");
        foreach (var required in (ReadOnlySpan<string>)["rules", "dryRun"])
        {
            if (!fields.Has(required))
            {
                fields.Error(required, "missing");
            }
        }

        return new AuthorizationPolicy
        {
            Name = name,
            Namespace = ns,
            Scope = fields.OneOf("scope", "Global", "Namespace", "WorkloadSelector") switch
            {
                "Global" => PolicyScope.Global,
                "Namespace" => PolicyScope.Namespace,
                _ => PolicyScope.WorkloadSelector,
            },
            Action = fields.OneOf("action", "Allow", "Deny") == "Deny" ? PolicyAction.Deny : PolicyAction.Allow,
            Rules = ReadRules(fields),
            DryRun = fields.Boolean("dryRun") ?? false,
        };
    }

    /// <summary>Rules are lists of clauses, which are lists of matches.</summary>
    private static ImmutableArray<PolicyRule> ReadRules(FieldReader fields)
    {
        var rules = ImmutableArray.CreateBuilder<PolicyRule>();
        foreach (var rule in fields.Lists("rules"))
        {
            var clauses = ImmutableArray.CreateBuilder<PolicyClause>();
            foreach (var clause in rule.Lists())
            {
                clauses.Add(new PolicyClause([.. clause.Objects().Select(ReadMatch)]));
            }

            rules.Add(new PolicyRule(clauses.ToImmutable()));
        }

        return rules.ToImmutable();
    }

    private static PolicyMatch ReadMatch(FieldReader match)
    {
        match.RejectUnknown(
            "namespaces", "notNamespaces", "principals", "notPrincipals", "serviceAccounts", "notServiceAccounts", "sourceIps",
            "notSourceIps", "destinationIps", "notDestinationIps", "destinationPorts", "notDestinationPorts");
        return new PolicyMatch
        {
            Namespaces = Strings(match, "namespaces"),
            NotNamespaces = Strings(match, "notNamespaces"),
            Principals = Strings(match, "principals"),
            NotPrincipals = Strings(match, "notPrincipals"),
            ServiceAccounts = ServiceAccounts(match, "serviceAccounts"),
            NotServiceAccounts = ServiceAccounts(match, "notServiceAccounts"),
            SourceIPs = Ranges(match, "sourceIps"),
            NotSourceIPs = Ranges(match, "notSourceIps"),
            DestinationIPs = Ranges(match, "destinationIps"),
            NotDestinationIPs = Ranges(match, "notDestinationIps"),
            DestinationPorts = Ports(match, "destinationPorts"),
            NotDestinationPorts = Ports(match, "notDestinationPorts"),
        };
    }

    /// <summary>String matches: a YAML tag says how (<c>!Exact x</c>), or an object of one field does (<c>{Exact: x}</c>).</summary>
    private static ImmutableArray<StringMatch> Strings(FieldReader match, string field)
    {
        var values = ImmutableArray.CreateBuilder<StringMatch>();
        var items = match.List(field)?.Items ?? [];
        for (var i = 0; i < items.Count; i++)
        {
            var (tag, value) = items[i] switch
            {
                YamlScalar scalar => (scalar.Tag, scalar.Value),
                YamlSequence { Items.Count: 0 } list => (list.Tag, ""),
                YamlMapping { Entries: [var (key, single)] } => (key.Value, (single as YamlScalar)?.Value ?? ""),
                _ => (null, ""),
            };
            StringMatchKind? kind = tag switch
            {
                "Exact" => StringMatchKind.Exact,
                "Prefix" => StringMatchKind.Prefix,
                "Suffix" => StringMatchKind.Suffix,
                "Presence" => StringMatchKind.Presence,
                _ => null,
            };
            if (kind is null)
            {
                match.Error(field, i, $"expected !Exact, !Prefix, !Suffix or !Presence, found {items[i].Describe()}");
            }
            else
            {
                values.Add(new StringMatch(kind.Value, kind == StringMatchKind.Presence ? "" : value));
            }
        }

        return values.ToImmutable();
    }

    private static ImmutableArray<ServiceAccountMatch> ServiceAccounts(FieldReader match, string field)
    {
        var accounts = ImmutableArray.CreateBuilder<ServiceAccountMatch>();
        foreach (var entry in match.Objects(field))
        {
            entry.RejectUnknown("namespace", "serviceAccount");
            accounts.Add(new ServiceAccountMatch(entry.RequiredString("namespace"), entry.RequiredString("serviceAccount")));
        }

        return accounts.ToImmutable();
    }

    private static ImmutableArray<IPNetwork> Ranges(FieldReader match, string field)
    {
        var ranges = ImmutableArray.CreateBuilder<IPNetwork>();
        var texts = match.Strings(field);
        for (var i = 0; i < texts.Count; i++)
        {
            if (IPText.TryParseRange(texts[i], out var range))
            {
                ranges.Add(range);
            }
            else
            {
                match.Error(field, i, $"\"{texts[i]}\" is not an IP address or range");
            }
        }

        return ranges.ToImmutable();
    }

    private static ImmutableArray<int> Ports(FieldReader match, string field)
    {
        var ports = ImmutableArray.CreateBuilder<int>();
        var items = match.List(field)?.Items ?? [];
        for (var i = 0; i < items.Count; i++)
        {
            if (items[i] is YamlScalar { IsPlain: true } scalar && ushort.TryParse(scalar.Value, out var port))
            {
                ports.Add(port);
            }
            else
            {
                match.Error(field, i, $"expected a port, found {items[i].Describe()}");
            }
        }

        return ports.ToImmutable();
    }
}
