using System.Text.Json;
using Ambient.Node.Admin.Envoy.Json;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Discovery.Xds.Envoy.Received;
using Google.Protobuf;

namespace Ambient.Node.Admin.Envoy;

/// <summary>The sections of a dump, in Envoy's order.</summary>
internal static class DumpSections
{
    private const string Time = "yyyy-MM-ddTHH:mm:ss.fffZ";

    /// <summary>All of them.</summary>
    /// <param name="host">The host.</param>
    /// <param name="withEndpoints">Whether endpoints are among them, of which there are many.</param>
    public static IReadOnlyList<DumpSection> Of(EnvoyHost host, bool withEndpoints)
    {
        ArgumentNullException.ThrowIfNull(host);
        var (clusters, listeners) = (host.Received.Of(EnvoyTypes.Cluster), host.Received.Of(EnvoyTypes.Listener));
        return
        [
            Bootstrap(host),
            new DumpSection(
                "ClustersConfigDump",
                [
                    new DumpPart("static_clusters", "StaticCluster", [.. StaticResources.Clusters(host).Select(cluster => new DumpItem(
                        cluster.Name, json => WriteStatic(json, host, "cluster", EnvoyTypes.Cluster, () => StaticResources.WriteCluster(json, cluster))))]),
                    new DumpPart("dynamic_active_clusters", "DynamicCluster", [.. clusters.Resources.Select(cluster => Dynamic(cluster, "cluster", EnvoyTypes.Cluster))]),
                ],
                clusters.Version),
            .. host.Received.Of(EnvoyTypes.Extension).Resources is { IsEmpty: false } extensions
                ? [new DumpSection("EcdsConfigDump", [new DumpPart("ecds_filters", "EcdsFilterConfig", [.. extensions.Select(extension => Dynamic(extension, "ecds_filter", EnvoyTypes.Extension))])])]
                : Array.Empty<DumpSection>(),
            .. withEndpoints ? [Endpoints(host, clusters)] : Array.Empty<DumpSection>(),
            new DumpSection(
                "ListenersConfigDump",
                [
                    new DumpPart("static_listeners", "StaticListener", [.. StaticResources.Listeners(host).Select(listener => new DumpItem(
                        listener.Name, json => WriteStatic(json, host, "listener", EnvoyTypes.Listener, () => StaticResources.WriteListener(json, listener))))]),
                    new DumpPart("dynamic_listeners", "DynamicListener", [.. listeners.Resources.Select(Listener)]),
                ],
                listeners.Version),
            new DumpSection("ScopedRoutesConfigDump", []),
            new DumpSection(
                "RoutesConfigDump",
                [
                    new DumpPart("static_route_configs", "StaticRouteConfig", [.. StaticRoutes(host, listeners)]),
                    new DumpPart(
                        "dynamic_route_configs", "DynamicRouteConfig", [.. host.Received.Of(EnvoyTypes.Routes).Resources.Select(routes => Dynamic(routes, "route_config", EnvoyTypes.Routes))]),
                ]),
            SecretSection.Of(host),
        ];
    }

    /// <summary>Writes when something came, and whether it is in use whole.</summary>
    public static void WriteState(Utf8JsonWriter json, ReceivedResource resource)
    {
        json.WriteString("last_updated", Text(resource.At));
        WriteStatus(json, resource);
    }

    /// <summary>A time as protobuf writes it.</summary>
    public static string Text(DateTimeOffset time) => time.UtcDateTime.ToString(Time, System.Globalization.CultureInfo.InvariantCulture);

    private static DumpSection Bootstrap(EnvoyHost host) => new(
        "BootstrapConfigDump",
        [
            new DumpPart("bootstrap", null, [new DumpItem("bootstrap", json =>
            {
                json.WritePropertyName("node");
                ProtoJson.Write(json, "envoy.config.core.v3.Node", host.Received.Node.Span);
                json.WriteStartObject("static_resources");
                json.WriteStartArray("listeners");
                foreach (var listener in StaticResources.Listeners(host))
                {
                    json.WriteStartObject();
                    StaticResources.WriteListener(json, listener);
                    json.WriteEndObject();
                }

                json.WriteEndArray();
                json.WriteStartArray("clusters");
                foreach (var cluster in StaticResources.Clusters(host))
                {
                    json.WriteStartObject();
                    StaticResources.WriteCluster(json, cluster);
                    json.WriteEndObject();
                }

                json.WriteEndArray();
                json.WriteEndObject();
                json.WriteStartObject("admin");
                StaticResources.WriteAddress(json, "address", "127.0.0.1", host.AdminPort);
                json.WriteEndObject();
            })]),
        ]);

    private static DumpItem Dynamic(ReceivedResource resource, string property, string type) => new(resource.Name, json =>
    {
        WriteVersion(json, resource);
        json.WritePropertyName(property);
        ProtoJson.WriteAny(json, type, resource.Bytes.Span);
        WriteState(json, resource);
    });

    private static DumpItem Listener(ReceivedResource listener) => new(listener.Name, json =>
    {
        json.WriteString("name", listener.Name);
        json.WriteStartObject("active_state");
        WriteVersion(json, listener);
        json.WritePropertyName("listener");
        ProtoJson.WriteAny(json, EnvoyTypes.Listener, listener.Bytes.Span);
        json.WriteString("last_updated", Text(listener.At));
        json.WriteEndObject();
        WriteStatus(json, listener);
    });

    private static DumpSection Endpoints(EnvoyHost host, ReceivedType clusters)
    {
        var assignments = host.Received.Of(EnvoyTypes.Assignment).Resources.ToDictionary(assignment => assignment.Name, StringComparer.Ordinal);
        var items = new List<DumpItem>();
        foreach (var resource in clusters.Resources)
        {
            var cluster = Clusters.Parse(resource);
            var assignment = cluster is null ? null : Clusters.AssignmentOf(cluster, assignments);
            items.Add(new DumpItem(resource.Name, json =>
            {
                json.WritePropertyName("endpoint_config");
                ProtoJson.WriteAny(json, EnvoyTypes.Assignment, (assignment ?? new Protos.Envoy.ClusterLoadAssignment { ClusterName = resource.Name }.ToByteString()).Span);
                if (cluster is not null && assignments.TryGetValue(Clusters.AssignmentName(cluster), out var sent))
                {
                    WriteState(json, sent);
                }
            }));
        }

        return new DumpSection(
            "EndpointsConfigDump",
            [
                new DumpPart("static_endpoint_configs", "StaticEndpointConfig", [.. StaticResources.Clusters(host).Select(cluster => new DumpItem(
                    cluster.Name, json => WriteTyped(json, "endpoint_config", EnvoyTypes.Assignment, () => StaticResources.WriteAssignment(json, cluster))))]),
                new DumpPart("dynamic_endpoint_configs", "DynamicEndpointConfig", items),
            ]);
    }

    private static IEnumerable<DumpItem> StaticRoutes(EnvoyHost host, ReceivedType listeners)
    {
        foreach (var (_, _, prefix, cluster) in StaticResources.Listeners(host))
        {
            yield return new DumpItem("", json => WriteStatic(json, host, "route_config", EnvoyTypes.Routes, () => StaticResources.WriteRoutes(json, prefix, cluster)));
        }

        foreach (var listener in listeners.Resources)
        {
            foreach (var (name, routes) in InlineRoutes.Of(listener))
            {
                yield return new DumpItem(name, json =>
                {
                    json.WritePropertyName("route_config");
                    ProtoJson.WriteAny(json, EnvoyTypes.Routes, routes.Span);
                    json.WriteString("last_updated", Text(listener.At));
                });
            }
        }
    }

    private static void WriteStatic(Utf8JsonWriter json, EnvoyHost host, string property, string type, Action write)
    {
        WriteTyped(json, property, type, write);
        json.WriteString("last_updated", Text(host.Started));
    }

    private static void WriteTyped(Utf8JsonWriter json, string property, string type, Action write)
    {
        json.WriteStartObject(property);
        json.WriteString("@type", type);
        write();
        json.WriteEndObject();
    }

    private static void WriteVersion(Utf8JsonWriter json, ReceivedResource resource)
    {
        if (resource.Version.Length > 0)
        {
            json.WriteString("version_info", resource.Version);
        }
    }

    private static void WriteStatus(Utf8JsonWriter json, ReceivedResource resource)
    {
        json.WriteString("client_status", resource.Fault is null ? "ACKED" : "NACKED");
        if (resource.Fault is { } fault)
        {
            json.WriteStartObject("error_state");
            json.WriteString("details", fault);
            json.WriteString("last_update_attempt", Text(resource.At));
            json.WriteEndObject();
        }
    }
}
