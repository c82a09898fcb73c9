using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
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
        return new ObjectReference(
            reference.String("group") ?? defaultGroup,
            reference.String("kind") ?? defaultKind,
            string.IsNullOrEmpty(ns) ? meta.Namespace : ns,
            reference.RequiredString("name"),
            reference.String("sectionName"),
            reference.Integer("port", 1, 65535));
    }
}
