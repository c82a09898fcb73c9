using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>
/// Reads and validates AuthorizationPolicies. Empty conditions and values that cannot match are errors, as fields that are not
/// known are (<see cref="Kinds.FieldCheck"/>): a policy that is half understood lets in what it was meant to keep out.
/// </summary>
internal static class AuthorizationPolicyReader
{
    private const int MaxRules = 512;

    public static AuthorizationPolicyObject ReadAuthorizationPolicy(ObjectMeta meta, FieldReader fields)
    {
        var spec = fields.ObjectOrEmpty("spec");
        var selector = PolicySelectors.Read(spec);
        var targets = PolicyTargets.Read(meta, spec);
        var action = ReadAction(spec);
        return new AuthorizationPolicyObject(meta, new RequestAuthorizationPolicy
        {
            Name = meta.Name,
            Namespace = meta.Namespace,
            Action = action,
            Provider = action == PolicyAction.Custom ? spec.ObjectOrEmpty("provider").String("name") ?? "" : "",
            Targets = targets,
            Selector = selector?.ToImmutableDictionary(StringComparer.Ordinal),
            Rules = ReadRules(spec),
            DryRun = ReadDryRun(meta, fields),
            CreationTime = meta.CreationTime,
        });
    }

    private static PolicyAction ReadAction(FieldReader spec)
    {
        var action = spec.OneOf("action", "ALLOW", "DENY", "AUDIT", "CUSTOM") switch
        {
            "DENY" => PolicyAction.Deny,
            "AUDIT" => PolicyAction.Audit,
            "CUSTOM" => PolicyAction.Custom,
            _ => PolicyAction.Allow,
        };
        if (action == PolicyAction.Custom && string.IsNullOrEmpty(spec.ObjectOrEmpty("provider").String("name")))
        {
            spec.Error("provider", "missing; action CUSTOM expects provider.name");
        }

        if (action != PolicyAction.Custom && spec.Has("provider"))
        {
            spec.Error("provider", "only allowed with action CUSTOM");
        }

        return action;
    }

    private static ImmutableArray<RequestRule> ReadRules(FieldReader spec)
    {
        var rules = ImmutableArray.CreateBuilder<RequestRule>();
        foreach (var rule in spec.Objects("rules"))
        {
            rules.Add(new RequestRule
            {
                From = [.. NonEmpty(rule, "from").Select(ReadSource)],
                To = [.. NonEmpty(rule, "to").Select(ReadOperation)],
                When = [.. rule.Objects("when").Select(ReadCondition)],
            });
        }

        if (rules.Count > MaxRules)
        {
            spec.Error("rules", $"{rules.Count} rules; at most {MaxRules} are allowed");
        }

        return rules.ToImmutable();
    }

    private static List<FieldReader> NonEmpty(FieldReader rule, string field)
    {
        var items = rule.Objects(field).ToList();
        if (items.Count == 0 && rule.List(field) is { Items.Count: 0 })
        {
            rule.Error(field, "empty; expected at least one entry, or leave it out");
        }

        return items;
    }

    private static RequestSource ReadSource(FieldReader from)
    {
        if (NonEmpty(from, "source", "principals, namespaces, serviceAccounts, ipBlocks or the like") is not { } source)
        {
            return new RequestSource();
        }

        var read = new RequestSource
        {
            Principals = Values(source, "principals", "notPrincipals", PolicyValues.Text),
            RequestPrincipals = Values(source, "requestPrincipals", "notRequestPrincipals", PolicyValues.Text),
            Namespaces = Values(source, "namespaces", "notNamespaces", PolicyValues.Text),
            ServiceAccounts = Values(source, "serviceAccounts", "notServiceAccounts", PolicyValues.ServiceAccount),
            TrustDomains = Values(source, "trustDomains", "notTrustDomains", PolicyValues.TrustDomain),
            IpBlocks = Values(source, "ipBlocks", "notIpBlocks", PolicyValues.IPBlock),
            RemoteIpBlocks = Values(source, "remoteIpBlocks", "notRemoteIpBlocks", PolicyValues.IPBlock),
        };
        RequireValue(
            from, "source", source,
            [read.Principals, read.RequestPrincipals, read.Namespaces, read.ServiceAccounts, read.TrustDomains, read.IpBlocks, read.RemoteIpBlocks]);

        if (!read.ServiceAccounts.IsEmpty && !(read.Principals.IsEmpty && read.Namespaces.IsEmpty))
        {
            from.Error("source", "serviceAccounts cannot be combined with principals or namespaces");
        }

        if (read.ServiceAccounts.Values.Length > PolicyValues.MaxServiceAccounts || read.ServiceAccounts.NotValues.Length > PolicyValues.MaxServiceAccounts)
        {
            source.Error("serviceAccounts", $"more than {PolicyValues.MaxServiceAccounts} values");
        }

        return read;
    }

    private static RequestOperation ReadOperation(FieldReader to)
    {
        if (NonEmpty(to, "operation", "hosts, ports, methods or paths") is not { } operation)
        {
            return new RequestOperation();
        }

        var read = new RequestOperation
        {
            Hosts = Values(operation, "hosts", "notHosts", PolicyValues.Text),
            Ports = Values(operation, "ports", "notPorts", PolicyValues.Port),
            Methods = Values(operation, "methods", "notMethods", PolicyValues.Text),
            Paths = Values(operation, "paths", "notPaths", PolicyValues.Path),
        };
        RequireValue(to, "operation", operation, [read.Hosts, read.Ports, read.Methods, read.Paths]);
        return read;
    }

    /// <summary>The conditions below a field; null, and an error, when there is nothing in it.</summary>
    private static FieldReader? NonEmpty(FieldReader entry, string field, string expected)
    {
        if (entry.Object(field) is { IsEmpty: false } conditions)
        {
            return conditions;
        }

        entry.Error(field, $"missing or empty; expected at least one of {expected}");
        return null;
    }

    /// <summary>Conditions that all turned out empty would match everything.</summary>
    private static void RequireValue(FieldReader entry, string field, FieldReader conditions, ReadOnlySpan<ValueMatch> matches)
    {
        foreach (var match in matches)
        {
            if (!match.IsEmpty)
            {
                return;
            }
        }

        if (!conditions.HasErrors)
        {
            entry.Error(field, "empty: none of its fields has a value");
        }
    }

    private static RequestCondition ReadCondition(FieldReader when)
    {
        var key = when.RequiredString("key");
        var check = PolicyValues.OfAttribute(key);
        if (check is null && key.Length > 0)
        {
            when.Error("key", $"\"{key}\" is not a known attribute");
        }

        var match = Values(when, "values", "notValues", check ?? PolicyValues.Text);
        if (!when.HasErrors && match.IsEmpty)
        {
            when.Error("values", "missing; expected values or notValues");
        }

        return new RequestCondition(key, match);
    }

    private static ValueMatch Values(FieldReader fields, string field, string notField, Func<string, string?> problem) =>
        new(Checked(fields, field, problem), Checked(fields, notField, problem));

    private static ImmutableArray<string> Checked(FieldReader fields, string field, Func<string, string?> problem)
    {
        var values = fields.Strings(field);
        for (var i = 0; i < values.Count; i++)
        {
            if ((values[i].Length == 0 ? "empty" : problem(values[i])) is { } message)
            {
                fields.Error(field, i, message);
            }
        }

        return [.. values];
    }

    private static bool ReadDryRun(ObjectMeta meta, FieldReader fields)
    {
        switch (meta.Annotation(WellKnown.DryRun))
        {
            case null or "":
            case "0" or "f" or "F" or "false" or "FALSE" or "False":
                return false;
            case "1" or "t" or "T" or "true" or "TRUE" or "True":
                return true;
            case var text:
                fields.ObjectOrEmpty("metadata").ObjectOrEmpty("annotations").Error(WellKnown.DryRun, $"\"{text}\" is not true or false");
                return false;
        }
    }
}
