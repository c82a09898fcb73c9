using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>References of routes to what they are attached to, and to what they send requests to.</summary>
internal static class RouteReferences
{
    private const int MaxWeight = 1_000_000;

    /// <summary>A parent; a Gateway where no kind is written.</summary>
    public static ObjectReference Parent(ObjectMeta meta, FieldReader reference) => ObjectReferenceReader.Read(meta, reference, ObjectReferenceReader.GatewayGroup, "Gateway");

    /// <summary>What requests are sent to; a Service where no kind is written.</summary>
    public static ObjectReference Backend(ObjectMeta meta, FieldReader reference) => ObjectReferenceReader.Read(meta, reference, "", "Service");

    /// <summary>Share of a weighted backend, 0 to a million; 1 where none is written.</summary>
    public static int Weight(FieldReader backend) => backend.Integer("weight", 0, MaxWeight) ?? 1;

    /// <summary>A weighted backend with its filters.</summary>
    public static TrafficBackend WeightedBackend(ObjectMeta meta, FieldReader backend)
    {
        var filters = RouteFilterReader.Read(meta, backend);
        return new TrafficBackend(Backend(meta, backend), Weight(backend))
        {
            RequestHeaders = filters.RequestHeaders,
            ResponseHeaders = filters.ResponseHeaders,
            Redirect = filters.Redirect,
            Rewrite = filters.Rewrite,
            Mirrors = [.. filters.Mirrors],
            Authorizer = filters.Authorizer,
            Cors = filters.Cors,
            Unsupported = [.. filters.Unsupported],
        };
    }
}
