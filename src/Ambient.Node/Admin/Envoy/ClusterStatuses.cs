using System.Buffers;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Ambient.Node.Admin.Envoy.Json;
using Ambient.Node.Admin.Server;
using Ambient.Node.Discovery.Xds.Envoy.Clusters;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Ambient.Node.Requests.Upstreams.Balancing;
using Google.Protobuf;

namespace Ambient.Node.Admin.Envoy;

/// <summary>
/// <c>/clusters</c>: endpoints of each cluster and how they fare. What is counted by endpoint here is what is under way and who is left out.
/// </summary>
internal sealed class ClusterStatuses(EnvoyHost host)
{
    private static readonly JsonWriterOptions s_format = new() { Indented = true, IndentSize = 1, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly Dictionary<(string Host, int Port, string? Subset), Dictionary<string, EndpointState>> _states = host.Backends()
        .GroupBy(backend => (HostOf(backend.Key.Service), backend.Key.Port, backend.Key.Subset))
        .ToDictionary(group => group.Key, group => group.SelectMany(backend => backend.Endpoints).Select(ranked => ranked.State).GroupBy(state => state.Address.ToString()).ToDictionary(states => states.Key, states => states.First()));

    /// <summary>Answers a request: JSON where it asks for it, else text.</summary>
    public static AdminResponse Answer(EnvoyHost host, AdminRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        var statuses = new ClusterStatuses(host);
        return request.Parameter("format") == "json" ? new AdminResponse(200, "application/json", statuses.Json()) : AdminResponse.Text(200, statuses.Text());
    }

    private ReadOnlyMemory<byte> Json()
    {
        var buffer = new ArrayBufferWriter<byte>(4096);
        using (var json = new Utf8JsonWriter(buffer, s_format))
        {
            json.WriteStartObject();
            json.WriteStartArray("cluster_statuses");
            foreach (var cluster in StaticResources.Clusters(host))
            {
                json.WriteStartObject();
                json.WriteString("name", cluster.Name);
                json.WriteStartArray("host_statuses");
                json.WriteStartObject();
                StaticResources.WriteAddress(json, "address", cluster.Host, cluster.Port);
                WriteHealth(json, HealthStatus.Healthy, null);
                json.WriteNumber("weight", 1);
                json.WriteEndObject();
                json.WriteEndArray();
                json.WriteString("observability_name", cluster.Name);
                json.WriteEndObject();
            }

            foreach (var (cluster, assignment) in Received())
            {
                Write(json, cluster, assignment);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return buffer.WrittenMemory;
    }

    private void Write(Utf8JsonWriter json, Cluster cluster, ClusterLoadAssignment? assignment)
    {
        json.WriteStartObject();
        json.WriteString("name", cluster.Name);
        json.WriteBoolean("added_via_api", true);
        if (assignment is { Endpoints.Count: > 0 })
        {
            json.WriteStartArray("host_statuses");
            foreach (var (locality, endpoint) in Endpoints(assignment))
            {
                json.WriteStartObject();
                json.WritePropertyName("address");
                ProtoJson.Write(json, "envoy.config.core.v3.Address", endpoint.Endpoint?.Address?.ToByteArray());
                var state = StateOf(cluster, endpoint);
                WriteStats(json, state);
                WriteHealth(json, endpoint.HealthStatus, state);
                json.WriteNumber("weight", endpoint.LoadBalancingWeight ?? 1);
                json.WritePropertyName("locality");
                ProtoJson.Write(json, "envoy.config.core.v3.Locality", locality.Locality?.ToByteArray());
                if (locality.Priority > 0)
                {
                    json.WriteNumber("priority", locality.Priority);
                }

                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        WriteBreakers(json, cluster);
        json.WriteString("observability_name", cluster.AltStatName.Length > 0 ? cluster.AltStatName : cluster.Name);
        if (cluster.EdsClusterConfig?.ServiceName is { Length: > 0 } service)
        {
            json.WriteString("eds_service_name", service);
        }

        json.WriteEndObject();
    }

    private static void WriteStats(Utf8JsonWriter json, EndpointState? state)
    {
        if (state is not null)
        {
            json.WriteStartArray("stats");
            json.WriteStartObject();
            json.WriteString("type", "GAUGE");
            json.WriteString("value", state.Active.ToString(CultureInfo.InvariantCulture));
            json.WriteString("name", "rq_active");
            json.WriteEndObject();
            json.WriteEndArray();
        }
    }

    private static void WriteHealth(Utf8JsonWriter json, HealthStatus health, EndpointState? state)
    {
        json.WriteStartObject("health_status");
        if (state is { IsEjected: true })
        {
            json.WriteBoolean("failed_outlier_check", true);
        }

        json.WriteString("eds_health_status", NameOf(health));
        json.WriteEndObject();
    }

    private static void WriteBreakers(Utf8JsonWriter json, Cluster cluster)
    {
        if (cluster.CircuitBreakers is { Thresholds.Count: > 0 })
        {
            json.WritePropertyName("circuit_breakers");
            ProtoJson.Write(json, "envoy.config.cluster.v3.CircuitBreakers", cluster.CircuitBreakers.ToByteArray());
        }
    }

    private string Text()
    {
        var text = new StringBuilder();
        foreach (var cluster in StaticResources.Clusters(host))
        {
            var at = $"{cluster.Name}::{cluster.Host}:{cluster.Port.ToString(CultureInfo.InvariantCulture)}";
            text.Append(CultureInfo.InvariantCulture, $"{cluster.Name}::observability_name::{cluster.Name}\n{cluster.Name}::added_via_api::false\n{at}::health_flags::healthy\n{at}::weight::1\n");
        }

        foreach (var (cluster, assignment) in Received())
        {
            text.Append(CultureInfo.InvariantCulture, $"{cluster.Name}::observability_name::{(cluster.AltStatName.Length > 0 ? cluster.AltStatName : cluster.Name)}\n{cluster.Name}::added_via_api::true\n");
            if (cluster.EdsClusterConfig?.ServiceName is { Length: > 0 } service)
            {
                text.Append(CultureInfo.InvariantCulture, $"{cluster.Name}::eds_service_name::{service}\n");
            }

            foreach (var (locality, endpoint) in assignment is null ? [] : Endpoints(assignment))
            {
                var at = $"{cluster.Name}::{AddressOf(endpoint)}";
                var state = StateOf(cluster, endpoint);
                text.Append(CultureInfo.InvariantCulture, $"{at}::rq_active::{state?.Active ?? 0}\n");
                text.Append(CultureInfo.InvariantCulture, $"{at}::health_flags::{Flags(endpoint.HealthStatus, state)}\n{at}::weight::{endpoint.LoadBalancingWeight ?? 1}\n");
                text.Append(CultureInfo.InvariantCulture, $"{at}::region::{locality.Locality?.Region}\n{at}::zone::{locality.Locality?.Zone}\n{at}::sub_zone::{locality.Locality?.SubZone}\n{at}::priority::{locality.Priority}\n");
            }
        }

        return text.ToString();
    }

    private IEnumerable<(Cluster Cluster, ClusterLoadAssignment? Assignment)> Received()
    {
        var assignments = host.Received.Of(EnvoyTypes.Assignment).Resources.ToDictionary(assignment => assignment.Name, StringComparer.Ordinal);
        foreach (var resource in host.Received.Of(EnvoyTypes.Cluster).Resources)
        {
            if (Clusters.Parse(resource) is { } cluster)
            {
                // What came is in use, so it can be read.
                yield return (cluster, Clusters.AssignmentOf(cluster, assignments) is { } bytes ? ClusterLoadAssignment.Parser.ParseFrom(bytes) : null);
            }
        }
    }

    private static IEnumerable<(LocalityLbEndpoints Locality, LbEndpoint Endpoint)> Endpoints(ClusterLoadAssignment assignment) =>
        assignment.Endpoints.SelectMany(locality => locality.LbEndpoints.Select(endpoint => (locality, endpoint)));

    private EndpointState? StateOf(Cluster cluster, LbEndpoint endpoint) => ClusterName.Parse(cluster.Name) is { } name
        && _states.TryGetValue((name.Host, name.Port, name.Subset), out var states) && IPEndPoint.TryParse(AddressOf(endpoint, bare: true), out var address)
            ? states.GetValueOrDefault(address.ToString())
            : null;

    private static string AddressOf(LbEndpoint endpoint, bool bare = false)
    {
        var address = endpoint.Endpoint?.Address;
        return address?.AddressCase switch
        {
            Address.AddressOneofCase.SocketAddress => address.SocketAddress.Address.Contains(':', StringComparison.Ordinal)
                ? $"[{address.SocketAddress.Address}]:{address.SocketAddress.PortValue}"
                : $"{address.SocketAddress.Address}:{address.SocketAddress.PortValue}",
            Address.AddressOneofCase.EnvoyInternalAddress => bare ? address.EnvoyInternalAddress.EndpointId
                : $"envoy://{address.EnvoyInternalAddress.ServerListenerName}/{address.EnvoyInternalAddress.EndpointId}",
            _ => "",
        };
    }

    private static string Flags(HealthStatus health, EndpointState? state)
    {
        var flags = $"{(state is { IsEjected: true } ? "/failed_outlier_check" : "")}{(NameOf(health) is "HEALTHY" or "DEGRADED" ? "" : "/failed_eds_health")}";
        return flags.Length == 0 ? "healthy" : flags;
    }

    /// <summary>An endpoint of which nothing is said counts as healthy.</summary>
    private static string NameOf(HealthStatus health) => health switch
    {
        HealthStatus.Unhealthy => "UNHEALTHY",
        HealthStatus.Draining => "DRAINING",
        HealthStatus.Timeout => "TIMEOUT",
        HealthStatus.Degraded => "DEGRADED",
        _ => "HEALTHY",
    };

    /// <summary>The host name of a service's key.</summary>
    private static string HostOf(string key) => key[(key.IndexOf('/', StringComparison.Ordinal) + 1)..];
}
