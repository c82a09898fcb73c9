using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Ambient.Node.Admin.Server;
using Ambient.Node.Discovery.Xds.Envoy.Reading;

namespace Ambient.Node.Admin.Envoy;

/// <summary>
/// <c>/stats</c>: of Envoy's own statistics those that tools look for and that have a counterpart here, by Envoy's names. What is counted of traffic has Istio's
/// names and is at <c>/stats/prometheus</c>.
/// </summary>
internal static class ServerStats
{
    /// <summary>Answers: text, JSON or Prometheus', filtered by name.</summary>
    public static AdminResponse Answer(EnvoyHost host, AdminRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        Regex? filter = null;
        if (request.Parameter("filter") is { Length: > 0 } pattern)
        {
            try
            {
                filter = new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
            }
            catch (Exception e) when (e is ArgumentException or NotSupportedException)
            {
                return AdminResponse.Text(400, $"Invalid re2 regex: {e.Message}\n");
            }
        }

        var stats = Of(host).Where(stat => filter?.IsMatch(stat.Name) != false).ToArray();
        return request.Parameter("format") switch
        {
            "prometheus" => Prometheus(host),
            "json" => new AdminResponse(200, "application/json", Json(stats)),
            _ => AdminResponse.Text(200, string.Concat(stats.Select(stat => string.Create(CultureInfo.InvariantCulture, $"{stat.Name}: {stat.Value}\n")))),
        };
    }

    /// <summary>Metrics in Prometheus' form.</summary>
    public static AdminResponse Prometheus(EnvoyHost host)
    {
        ArgumentNullException.ThrowIfNull(host);
        return AdminResponse.Streamed("text/plain; charset=utf-8", host.Metrics.WriteAsync, compressible: true);
    }

    private static IEnumerable<(string Name, long Value)> Of(EnvoyHost host)
    {
        var (clusters, listeners) = (host.Received.Of(EnvoyTypes.Cluster), host.Received.Of(EnvoyTypes.Listener));
        yield return ("cluster_manager.active_clusters", clusters.Resources.Length);
        yield return ("cluster_manager.cds.update_rejected", clusters.Refused);
        yield return ("cluster_manager.cds.update_success", clusters.Accepted);
        yield return ("cluster_manager.cds.update_time", clusters.At?.ToUnixTimeMilliseconds() ?? 0);
        yield return ("listener_manager.lds.update_rejected", listeners.Refused);
        yield return ("listener_manager.lds.update_success", listeners.Accepted);
        yield return ("listener_manager.lds.update_time", listeners.At?.ToUnixTimeMilliseconds() ?? 0);
        yield return ("listener_manager.total_listeners_active", listeners.Resources.Length);
        yield return ("listener_manager.workers_started", host.IsReady() ? 1 : 0);
        yield return ("server.concurrency", host.Concurrency);
        yield return ("server.live", host.State == "LIVE" ? 1 : 0);
        yield return ("server.memory_allocated", GC.GetTotalMemory(forceFullCollection: false));
        yield return ("server.memory_physical_size", Environment.WorkingSet);

        // ServerInfo.State of envoy.admin.v3.
        yield return ("server.state", host.State switch { "LIVE" => 0, "DRAINING" => 1, "PRE_INITIALIZING" => 2, _ => 3 });
        yield return ("server.uptime", (long)(host.Time.GetUtcNow() - host.Started).TotalSeconds);
    }

    private static ReadOnlyMemory<byte> Json((string Name, long Value)[] stats)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartArray("stats");
            foreach (var (name, value) in stats)
            {
                json.WriteStartObject();
                json.WriteString("name", name);
                json.WriteNumber("value", value);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return buffer.WrittenMemory;
    }
}
