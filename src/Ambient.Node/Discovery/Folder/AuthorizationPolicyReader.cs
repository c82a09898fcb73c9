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
    private const int MaxTargets = 16;

    public static AuthorizationPolicyObject ReadAuthorizationPolicy(ObjectMeta meta, FieldReader fields)
    {
        var spec = fields.ObjectOrEmpty("spec");
        var selector = PolicySelectors.Read(spec);
        var targets = ReadTargets(meta, spec);
        if (targets.Length > 0 && spec.Has("selector"))
        {
            spec.Error("selector", "not allowed together with targetRefs: a policy selects pods or is attached, not both");
        }

        var action = ReadAction(spec);
        return new AuthorizationPolicyObject(meta, new RequestAuthorizationPolicy
        {
            Name = meta.Name,
            Namespace = meta.Namespace,
            Action = action,
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

    private static ImmutableArray<ObjectReference> ReadTargets(ObjectMeta meta, FieldReader spec)
    {
        var targets = ImmutableArray.CreateBuilder<ObjectReference>();
        if (spec.Object("targetRef") is { } single)
        {
            targets.Add(ReadTarget(meta, single));
            if (spec.Has("targetRefs"))
            {
                spec.Error("targetRef", "not allowed together with targetRefs");
            }
        }

        foreach (var target in spec.Objects("targetRefs"))
        {
            targets.Add(ReadTarget(meta, target));
        }

        if (targets.Count > MaxTargets)
        {
            spec.Error("targetRefs", $"{targets.Count} references; at most {MaxTargets} are allowed");
        }

        if (targets.Count == 0 && spec.Has("targetRefs"))
        {
            // An empty list would turn an attached policy into one for the whole namespace.
            spec.Error("targetRefs", "empty; expected at least one reference, or no targetRefs at all");
        }

        return targets.ToImmutable();
    }

    private static ObjectReference ReadTarget(ObjectMeta meta, FieldReader target)
    {
        var group = target.String("group") ?? "";
        var kind = target.RequiredString("kind");
        var known = (group, kind) is ("" or "core", "Service") or ("networking.istio.io", "ServiceEntry")
            or ("gateway.networking.k8s.io", "Gateway" or "GatewayClass");
        if (!known && kind.Length > 0)
        {
            target.Error("kind", $"\"{kind}\" of group \"{group}\" cannot carry a policy; expected Service, ServiceEntry, Gateway or GatewayClass");
        }

        var ns = target.String("namespace");
        if (!string.IsNullOrEmpty(ns) && ns != meta.Namespace)
        {
            target.Error("namespace", $"\"{ns}\" is not the policy's own namespace {meta.Namespace}; references do not cross namespaces");
        }

        return new ObjectReference(group == "core" ? "" : group, kind, meta.Namespace, target.RequiredString("name"));
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
            rule.Error(field, "empty; expected at least one entry, or none of it at all");
        }

        return items;
    }

    private static RequestSource ReadSource(FieldReader from)
    {
        if (from.Object("source") is not { IsEmpty: false } source)
        {
            from.Error("source", "missing or empty; expected at least one of principals, namespaces, serviceAccounts, ipBlocks or the like");
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
        if (!source.HasErrors && read is
            {
                Principals.IsEmpty: true, RequestPrincipals.IsEmpty: true, Namespaces.IsEmpty: true, ServiceAccounts.IsEmpty: true,
                TrustDomains.IsEmpty: true, IpBlocks.IsEmpty: true, RemoteIpBlocks.IsEmpty: true,
            })
        {
            from.Error("source", "empty: none of its fields has a value");
        }

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
        if (to.Object("operation") is not { IsEmpty: false } operation)
        {
            to.Error("operation", "missing or empty; expected at least one of hosts, ports, methods or paths");
            return new RequestOperation();
        }

        var read = new RequestOperation
        {
            Hosts = Values(operation, "hosts", "notHosts", PolicyValues.Text),
            Ports = Values(operation, "ports", "notPorts", PolicyValues.Port),
            Methods = Values(operation, "methods", "notMethods", PolicyValues.Text),
            Paths = Values(operation, "paths", "notPaths", PolicyValues.Path),
        };
        if (!operation.HasErrors && read is { Hosts.IsEmpty: true, Ports.IsEmpty: true, Methods.IsEmpty: true, Paths.IsEmpty: true })
        {
            to.Error("operation", "empty: none of its fields has a value");
        }

        return read;
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
