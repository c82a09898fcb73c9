using System.Net;
using System.Text.Json;
using Ambient.Certificates;
using Ambient.Mesh;
using Ambient.Node.Admin.Envoy;
using Ambient.Node.Admin.Server;
using Ambient.Node.Discovery.Xds.Envoy;
using Ambient.Node.Discovery.Xds.Envoy.Assembly;
using Ambient.Node.Discovery.Xds.Envoy.Received;
using Ambient.Node.Protos.Discovery;
using Ambient.Node.Telemetry.Logging;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Node.Tests.Discovery.Xds.Envoy;
using Ambient.Testing;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Diagnostics.Envoy;

/// <summary>The admin endpoint of a waypoint that was told what the recorded Envoy was told, or something else.</summary>
internal sealed class EnvoyAdmin : IAsyncDisposable
{
    private readonly LogWriter _writer = new(new MemoryStream());

    public EnvoyAdmin(SvidCache? svids = null)
    {
        Loggers = new HostLoggerFactory(_writer, LogFormat.Plain, LogFilter.Info, TimeProvider.System);
        Received = new ReceivedConfiguration(new Protos.Discovery.Node { Id = "waypoint~198.18.129.10~waypoint-5dcf96d69c-gh6q6.ns1~ns1.svc.cluster.local", Cluster = "waypoint.ns1" }.ToByteString(), TimeProvider.System);
        Session = new EnvoySession(new MeshStore(), new EnvoyNode(false, "ns1", "waypoint", IPAddress.Parse("198.18.129.10")), NullLogger.Instance, Received);
        Host = new EnvoyHost
        {
            Received = Received,
            Svids = svids,
            Backends = () => [],
            IsReady = () => Ready,
            IsDraining = () => Draining,
            Metrics = new MetricRegistry(),
            Loggers = Loggers,
            Version = "0.1.0+abc",
            AdminPort = 15000,
            StatusPort = 15020,
            ReadinessPort = 15021,
            PrometheusPort = 15090,
            Wildcard = IPAddress.Any,
            ControlPlane = new Uri("https://10.96.0.2:15012"),
            Authority = new Uri("https://10.96.0.2:15012"),
            Concurrency = 2,
            Time = TimeProvider.System,
            Started = TimeProvider.System.GetUtcNow(),
        };
    }

    public ReceivedConfiguration Received { get; }

    public EnvoySession Session { get; }

    public EnvoyHost Host { get; }

    public HostLoggerFactory Loggers { get; }

    public bool Ready { get; set; } = true;

    public bool Draining { get; set; }

    /// <summary>The recorded Envoy's configuration, from what its own admin port answered.</summary>
    public static EnvoyAdmin Recorded()
    {
        var admin = new EnvoyAdmin();
        using var dump = Golden("config_dump.json");
        admin.Tell(dump, "ClustersConfigDump", "dynamic_active_clusters", static entry => entry.GetProperty("cluster"), "name");
        admin.Tell(dump, "EndpointsConfigDump", "dynamic_endpoint_configs", static entry => entry.GetProperty("endpoint_config"), "cluster_name");
        admin.Tell(dump, "ListenersConfigDump", "dynamic_listeners", static entry => entry.GetProperty("active_state").GetProperty("listener"), "name");
        return admin;
    }

    public static JsonDocument Golden(string file) => JsonDocument.Parse(File.ReadAllText(GoldenFolder.Require("envoy-admin", file)));

    public async Task<(int Status, string Body)> AskAsync(string path, string method = "GET")
    {
        var question = path.IndexOf('?', StringComparison.Ordinal);
        var answer = EnvoyEndpoints.Answer(Host, new AdminRequest(method, question < 0 ? path : path[..question], question < 0 ? "" : path[(question + 1)..], ""));
        return answer is null ? (0, "") : (answer.Status, System.Text.Encoding.UTF8.GetString(await answer.ReadBodyAsync(CancellationToken.None)));
    }

    public async Task<JsonElement> JsonAsync(string path)
    {
        var (status, body) = await AskAsync(path);
        Assert.True(status == 200, $"{status} {body}");
        using var document = JsonDocument.Parse(body);
        return document.RootElement.Clone();
    }

    public async ValueTask DisposeAsync()
    {
        Loggers.Dispose();
        _writer.Dispose();
        if (Host.Svids is { } svids)
        {
            await svids.DisposeAsync();
        }
    }

    private void Tell(JsonDocument dump, string section, string field, Func<JsonElement, JsonElement> resource, string name)
    {
        var resources = IstioctlReader.Entries(dump.RootElement, section, field).Select(resource).Select(item =>
        {
            var url = item.GetProperty("@type").GetString()!;
            return new Resource { Name = item.GetProperty(name).GetString()!, Resource_ = new Any { TypeUrl = url, Value = ProtoEncoder.Encode(url[(url.LastIndexOf('/') + 1)..], item) } };
        }).ToArray();
        Session.Tell(resources[0].Resource_.TypeUrl, resources);
    }
}
