using System.Net;
using System.Text.Json;

namespace Ambient.Node.Admin.Envoy;

/// <summary>
/// What an Envoy has from its bootstrap, under the names that tools know: the ports that are served beside the mesh's, and the services that are asked.
/// </summary>
internal static class StaticResources
{
    private const string HttpConnectionManager = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

    /// <summary>Listeners: name, address and the path that is served.</summary>
    public static IReadOnlyList<(string Name, IPEndPoint Address, string Prefix, string Cluster)> Listeners(EnvoyHost host) =>
    [
        Listener(host, host.PrometheusPort, "/stats/prometheus", "prometheus_stats"),
        Listener(host, host.ReadinessPort, "/healthz/ready", "agent"),
    ];

    /// <summary>Clusters: name and address. The type is what the address makes it.</summary>
    public static IReadOnlyList<(string Name, string Type, string Host, int Port)> Clusters(EnvoyHost host)
    {
        var clusters = new List<(string, string, string, int)>
        {
            ("agent", "STATIC", "127.0.0.1", host.StatusPort),
            ("prometheus_stats", "STATIC", "127.0.0.1", host.AdminPort),
        };
        if (host.Authority is { } authority)
        {
            clusters.Add(("sds-grpc", TypeOf(authority), authority.Host, authority.Port));
        }

        clusters.Add(("xds-grpc", TypeOf(host.ControlPlane), host.ControlPlane.Host, host.ControlPlane.Port));
        return clusters;
    }

    /// <summary>Writes the properties of a listener.</summary>
    public static void WriteListener(Utf8JsonWriter json, (string Name, IPEndPoint Address, string Prefix, string Cluster) listener)
    {
        json.WriteString("name", listener.Name);
        WriteAddress(json, "address", listener.Address.Address.ToString(), listener.Address.Port);
        json.WriteStartArray("filter_chains");
        json.WriteStartObject();
        json.WriteStartArray("filters");
        json.WriteStartObject();
        json.WriteString("name", "envoy.filters.network.http_connection_manager");
        json.WriteStartObject("typed_config");
        json.WriteString("@type", HttpConnectionManager);
        json.WriteString("stat_prefix", listener.Cluster);
        json.WriteStartObject("route_config");
        WriteRoutes(json, listener.Prefix, listener.Cluster);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndArray();
    }

    /// <summary>Writes the properties of a listener's routes.</summary>
    public static void WriteRoutes(Utf8JsonWriter json, string prefix, string cluster)
    {
        json.WriteStartArray("virtual_hosts");
        json.WriteStartObject();
        json.WriteString("name", "backend");
        json.WriteStartArray("domains");
        json.WriteStringValue("*");
        json.WriteEndArray();
        json.WriteStartArray("routes");
        json.WriteStartObject();
        json.WriteStartObject("match");
        json.WriteString("prefix", prefix);
        json.WriteEndObject();
        json.WriteStartObject("route");
        json.WriteString("cluster", cluster);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndArray();
    }

    /// <summary>Writes the properties of a cluster.</summary>
    public static void WriteCluster(Utf8JsonWriter json, (string Name, string Type, string Host, int Port) cluster)
    {
        json.WriteString("name", cluster.Name);
        json.WriteString("type", cluster.Type);
        json.WriteStartObject("load_assignment");
        WriteAssignment(json, cluster);
        json.WriteEndObject();
    }

    /// <summary>Writes the properties of a cluster's endpoints.</summary>
    public static void WriteAssignment(Utf8JsonWriter json, (string Name, string Type, string Host, int Port) cluster)
    {
        json.WriteString("cluster_name", cluster.Name);
        json.WriteStartArray("endpoints");
        json.WriteStartObject();
        json.WriteStartArray("lb_endpoints");
        json.WriteStartObject();
        json.WriteStartObject("endpoint");
        WriteAddress(json, "address", cluster.Host, cluster.Port);
        json.WriteEndObject();
        json.WriteString("health_status", "HEALTHY");
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndArray();
    }

    /// <summary>Writes an address as a property.</summary>
    public static void WriteAddress(Utf8JsonWriter json, string property, string address, int port)
    {
        json.WriteStartObject(property);
        json.WriteStartObject("socket_address");
        json.WriteString("address", address);
        json.WriteNumber("port_value", port);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static (string, IPEndPoint, string, string) Listener(EnvoyHost host, int port, string prefix, string cluster)
    {
        var address = new IPEndPoint(host.Wildcard, port);
        return (string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{address.Address}_{port}"), address, prefix, cluster);
    }

    private static string TypeOf(Uri address) => address.HostNameType is UriHostNameType.IPv4 or UriHostNameType.IPv6 ? "STATIC" : "STRICT_DNS";
}
