using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>The <c>targetRef</c> and <c>targetRefs</c> of a security policy.</summary>
internal static class PolicyTargets
{
    private const int MaxTargets = 16;

    /// <summary>What the policy is attached to; empty when it is not.</summary>
    public static ImmutableArray<ObjectReference> Read(ObjectMeta meta, FieldReader spec)
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

        if (targets.Count > 0 && spec.Has("selector"))
        {
            spec.Error("selector", "not allowed together with targetRefs: a policy selects pods or is attached, not both");
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
}
