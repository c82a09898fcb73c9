using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>References of routes to what they are attached to, and to what they send requests to.</summary>
internal static class RouteReferences
{
    private const string GatewayGroup = "gateway.networking.k8s.io";
    private const int MaxWeight = 1_000_000;

    /// <summary>A parent; a Gateway where no kind is written.</summary>
    public static ObjectReference Parent(ObjectMeta meta, FieldReader reference) => Read(meta, reference, GatewayGroup, "Gateway");

    /// <summary>What requests are sent to; a Service where no kind is written.</summary>
    public static ObjectReference Backend(ObjectMeta meta, FieldReader reference) => Read(meta, reference, "", "Service");

    /// <summary>A weighted backend with its filters.</summary>
    public static TrafficBackend WeightedBackend(ObjectMeta meta, FieldReader backend)
    {
        var filters = RouteFilterReader.Read(meta, backend);
        return new TrafficBackend(Backend(meta, backend), backend.Integer("weight", 0, MaxWeight) ?? 1)
        {
            RequestHeaders = filters.RequestHeaders,
            ResponseHeaders = filters.ResponseHeaders,
            Redirect = filters.Redirect,
            Rewrite = filters.Rewrite,
            Mirrors = [.. filters.Mirrors],
            Unsupported = filters.Cors is null ? [.. filters.Unsupported] : [.. filters.Unsupported, "CORS"],
        };
    }

    private static ObjectReference Read(ObjectMeta meta, FieldReader reference, string defaultGroup, string defaultKind)
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
