using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Ambient.Node.Discovery.Xds.Envoy.Clusters;

/// <summary>Reads clusters.</summary>
internal static class ClusterReader
{
    // Envoy's, where nothing is said; istiod says 0.
    private const double UsualPanic = 50;

    /// <summary>Reads a cluster; null for one of Envoy's own plumbing, to which nobody sends.</summary>
    /// <exception cref="InvalidProtocolBufferException">The bytes are none.</exception>
    public static EnvoyCluster? Read(ReadOnlySpan<byte> bytes, Problems problems)
    {
        var wire = Strict.Read(Cluster.Parser, bytes, out var isWhole);
        if (ClusterName.Parse(wire.Name) is not { } meaning)
        {
            ClusterNotes.Add(wire, null, problems);
            return null;
        }

        var where = $"cluster {wire.Name}";
        var http = HttpOptions(wire);
        var dynamic = DynamicHosts.Read(wire, meaning);
        var sockets = ClusterSockets.Read(wire, meaning.Host, RuleOf(wire));
        var blocked = sockets.Blocked;
        var isEds = wire is { ClusterDiscoveryTypeCase: Cluster.ClusterDiscoveryTypeOneofCase.Type, Type: Cluster.Types.DiscoveryType.Eds };
        blocked ??= dynamic.Problem;
        if (!isWhole)
        {
            // It may ask for protection.
            blocked ??= "a field of the cluster that is not known";
        }

        if (blocked is not null)
        {
            problems.Add(where, blocked);
        }

        ClusterNotes.Add(wire, http, problems);
        var service = Service(wire);
        return new EnvoyCluster
        {
            Name = wire.Name,
            Meaning = meaning,
            Assignment = !isEds ? null : wire.EdsClusterConfig is { ServiceName.Length: > 0 } eds ? eds.ServiceName : wire.Name,
            Own = dynamic.Endpoints ?? (wire.LoadAssignment is { } own ? AssignmentReader.Read(own, problems) : null),
            IsOfManyNames = dynamic.Endpoints is not null,
            ByLocality = wire.CommonLbConfig?.LocalityConfigSpecifierCase == Cluster.Types.CommonLbConfig.LocalityConfigSpecifierOneofCase.LocalityWeightedLbConfig,
            PanicPercent = wire.CommonLbConfig?.HealthyPanicThreshold is { } panic ? Math.Clamp(panic.Value, 0, 100) : UsualPanic,
            ServiceName = service.Name,
            ServiceNamespace = service.Namespace,
            Rule = RuleOf(wire),
            Policy = ClusterPolicy.Read(wire, http),
            Table = ClusterPolicy.Table(wire),
            SpeaksHttp2 = http?.ExplicitHttpConfig?.ProtocolConfigCase == UpstreamHttpOptions.Types.ExplicitHttpConfig.ProtocolConfigOneofCase.Http2ProtocolOptions,
            Tls = sockets.Tls,
            Sidecar = sockets.Sidecar,
            ProxyProtocol = sockets.ProxyProtocol,
            Sockets = sockets.OfEndpoints,
            Blocked = blocked,
        };
    }

    private static UpstreamHttpOptions? HttpOptions(Cluster wire)
    {
        foreach (var (_, any) in wire.TypedExtensionProtocolOptions)
        {
            if (any.TypeUrl == EnvoyTypes.UpstreamHttp)
            {
                return UpstreamHttpOptions.Parser.ParseFrom(any.Value);
            }
        }

        return null;
    }

    /// <summary>Name and namespace of the service, from the metadata for telemetry; of a host of Kubernetes, from the name.</summary>
    private static (string Name, string Namespace) Service(Cluster wire)
    {
        if (Istio(wire) is { } istio && istio.Fields.TryGetValue("services", out var services)
            && services.ListValue?.Values is [{ KindCase: Value.KindOneofCase.StructValue } first, ..])
        {
            return (Text(first.StructValue, "name"), Text(first.StructValue, "namespace"));
        }

        return ("", "");
    }

    /// <summary>The DestinationRule of a cluster: <c>/apis/networking.istio.io/v1/namespaces/x/destination-rule/y</c>.</summary>
    private static string? RuleOf(Cluster wire) =>
        Istio(wire) is { } istio && Text(istio, "config").Split('/') is [.., var ns, "destination-rule", var name] ? $"{ns}/{name}" : null;

    private static Struct? Istio(Cluster wire) => wire.Metadata?.FilterMetadata.GetValueOrDefault("istio");

    private static string Text(Struct values, string field) =>
        values.Fields.TryGetValue(field, out var value) && value.KindCase == Value.KindOneofCase.StringValue ? value.StringValue : "";

    private static TValue? GetValueOrDefault<TValue>(this Google.Protobuf.Collections.MapField<string, TValue> map, string key)
        where TValue : class => map.TryGetValue(key, out var value) ? value : null;
}
