using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Kinds;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads references to other objects, with the defaults of the place where they stand.</summary>
internal static class ObjectReferenceReader
{
    /// <summary>Group of Gateways and routes.</summary>
    public const string GatewayGroup = "gateway.networking.k8s.io";

    /// <summary>A reference; without a namespace it is to the referrer's own.</summary>
    public static ObjectReference Read(ObjectMeta meta, FieldReader reference, string defaultGroup, string defaultKind)
    {
        var ns = reference.String("namespace");
        var group = reference.String("group") ?? defaultGroup;
        var kind = Text(reference, "kind") ?? defaultKind;
        KindCheck.CheckReference(reference, group, kind);
        return new ObjectReference(
            group,
            kind,
            string.IsNullOrEmpty(ns) ? meta.Namespace : ns,
            reference.RequiredString("name"),
            Text(reference, "sectionName"),
            reference.Integer("port", 1, 65535));
    }

    /// <summary>A text, or null where none is written: an empty one says nothing, except as a group, where it is Kubernetes' own.</summary>
    public static string? Text(FieldReader reference, string field) => reference.String(field) is { Length: > 0 } text ? text : null;
}
