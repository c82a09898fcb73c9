using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Ambient.Hbone;
using Ambient.Node.Admin.Envoy.Json;
using Ambient.Node.Admin.Server;

namespace Ambient.Node.Admin.Envoy;

/// <summary><c>/server_info</c>, <c>/ready</c> and <c>/memory</c>: what runs, and how.</summary>
internal static class ServerInfo
{
    private static readonly JsonWriterOptions s_format = new() { Indented = true, IndentSize = 1 };

    /// <summary>Version, state, time since the start and the node. Envoy's command line has no counterpart here but for the number of threads.</summary>
    public static AdminResponse Answer(EnvoyHost host)
    {
        ArgumentNullException.ThrowIfNull(host);
        var uptime = string.Create(CultureInfo.InvariantCulture, $"{(long)(host.Time.GetUtcNow() - host.Started).TotalSeconds}s");
        return Json(json =>
        {
            // REVISION/VERSION/STATUS/BUILD/TLS.
            var (version, revision) = host.Version.IndexOf('+', StringComparison.Ordinal) is > 0 and var plus ? (host.Version[..plus], host.Version[(plus + 1)..]) : (host.Version, "unknown");
            json.WriteString("version", $"{revision}/{version}/Ambient/RELEASE/{HboneTls.Description}");
            json.WriteString("state", host.State);
            json.WriteString("uptime_current_epoch", uptime);
            json.WriteString("uptime_all_epochs", uptime);
            json.WriteStartObject("command_line_options");
            json.WriteNumber("concurrency", host.Concurrency);
            json.WriteString("mode", "Serve");
            json.WriteEndObject();
            json.WritePropertyName("node");
            ProtoJson.Write(json, "envoy.config.core.v3.Node", host.Received.Node.Span);
        });
    }

    /// <summary>Whether it serves.</summary>
    public static AdminResponse Ready(EnvoyHost host)
    {
        ArgumentNullException.ThrowIfNull(host);
        var state = host.State;
        return AdminResponse.Text(state == "LIVE" ? 200 : 503, state + "\n");
    }

    /// <summary>Bytes that the collector has, and that the process has.</summary>
    public static AdminResponse Memory()
    {
        var collector = GC.GetGCMemoryInfo(GCKind.Any);
        return Json(json =>
        {
            Write(json, "allocated", GC.GetTotalMemory(forceFullCollection: false));
            Write(json, "heap_size", collector.TotalCommittedBytes);
            Write(json, "pageheap_unmapped", 0);
            Write(json, "pageheap_free", Math.Max(0, collector.TotalCommittedBytes - collector.HeapSizeBytes));
            Write(json, "total_thread_cache", 0);
            Write(json, "total_physical_bytes", Environment.WorkingSet);
        });
    }

    private static void Write(Utf8JsonWriter json, string name, long value) => json.WriteString(name, value.ToString(CultureInfo.InvariantCulture));

    private static AdminResponse Json(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer, s_format))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        return new AdminResponse(200, "application/json", buffer.WrittenMemory);
    }
}
