using System.Net;
using System.Text.Json;
using Ambient.Mesh;
using Ambient.Node.ControlPlane;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Discovery.Xds.Client;
using Ambient.Node.Discovery.Xds.Envoy;
using Ambient.Node.Discovery.Xds.Envoy.Assembly;
using Ambient.Node.Protos.Discovery;
using Ambient.Testing.ControlPlane;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>An istiod that answers with a recording, over gRPC, and a proxy's source that listens to it.</summary>
internal sealed class RecordedIstiod : IAsyncDisposable
{
    private static readonly Dictionary<string, string> s_files = new()
    {
        ["type.googleapis.com/envoy.config.cluster.v3.Cluster"] = "cds",
        ["type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"] = "eds",
        ["type.googleapis.com/envoy.config.listener.v3.Listener"] = "lds",
        ["type.googleapis.com/envoy.config.route.v3.RouteConfiguration"] = "rds",
        ["type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"] = "ecds",
        ["type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"] = "sds",
        ["type.googleapis.com/istio.workload.Workload"] = "wds",
    };

    private readonly XdsSource _source;

    private RecordedIstiod(ControlPlaneServer server, MeshStore store, EnvoySession session, XdsSource source) =>
        (Server, Store, Session, _source) = (server, store, session, source);

    public ControlPlaneServer Server { get; }

    public MeshStore Store { get; }

    public EnvoySession Session { get; }

    /// <summary>Starts both, and waits until everything that is asked for is answered and applied.</summary>
    /// <param name="recording">Folder of the recorded answers.</param>
    /// <param name="logger">Where the source says what is wrong.</param>
    /// <param name="answered">Changes what is answered; null: nothing is changed.</param>
    public static async Task<RecordedIstiod> StartAsync(string recording, ILogger? logger = null, Func<DeltaDiscoveryResponse, DeltaDiscoveryResponse>? answered = null)
    {
        var server = await ControlPlaneServer.StartAsync();
        server.Discovery.Session = _ => request => Answer(recording, request) is { } answer ? answered?.Invoke(answer) ?? answer : null;
        var (node, id) = NodeOf(recording);
        var store = new MeshStore();
        var session = new EnvoySession(store, node, logger ?? NullLogger.Instance);
        var options = new XdsOptions
        {
            Server = new ControlPlaneOptions { Name = "xDS", Address = server.Address, Roots = server.RootFile },
            Kind = node.IsGateway ? XdsNodeKind.Router : XdsNodeKind.Waypoint,
            InstanceIP = node.Address.ToString(),
            PodName = id,
            PodNamespace = node.Namespace,
        };
        var source = new XdsSource(options, store, session, null, logger ?? NullLogger.Instance, TimeProvider.System);
        var istiod = new RecordedIstiod(server, store, session, source);
        try
        {
            await source.StartAsync(CancellationToken.None).WaitAsync(XdsKit.Patience);
            await istiod.QuietAsync();
            return istiod;
        }
        catch
        {
            await istiod.DisposeAsync();
            throw;
        }
    }

    /// <summary>The proxy of a recording, and the name of its pod.</summary>
    public static (EnvoyNode Node, string Pod) NodeOf(string recording)
    {
        using var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(recording, "node.json")));
        var parts = json.RootElement.GetProperty("id").GetString()!.Split('~');
        var labels = json.RootElement.GetProperty("metadata").GetProperty("LABELS");
        var pod = parts[2].Split('.');
        return (new EnvoyNode(parts[0] == "router", pod[1], labels.GetProperty("gateway.networking.k8s.io/gateway-name").GetString()!, IPAddress.Parse(parts[1])), pod[0]);
    }

    /// <summary>The network of a recorded proxy; empty: the default one.</summary>
    public static string NetworkOf(string recording)
    {
        using var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(recording, "node.json")));
        return json.RootElement.GetProperty("metadata").TryGetProperty("NETWORK", out var network) ? network.GetString()! : "";
    }

    /// <summary>What a recording answers to a request that is no acknowledgement; null: nothing.</summary>
    public static DeltaDiscoveryResponse? Answer(string recording, DeltaDiscoveryRequest request)
    {
        if (!s_files.TryGetValue(request.TypeUrl, out var name))
        {
            return null;
        }

        var file = Path.Combine(recording, $"{name}.binpb");
        var response = File.Exists(file) ? DeltaDiscoveryResponse.Parser.ParseFrom(File.ReadAllBytes(file)) : new DeltaDiscoveryResponse { TypeUrl = request.TypeUrl };
        response.Nonce = Guid.NewGuid().ToString();
        if (request.ResourceNamesSubscribe.Count > 0 && !request.ResourceNamesSubscribe.Contains("*"))
        {
            var asked = response.Resources.Where(resource => request.ResourceNamesSubscribe.Contains(resource.Name)).ToArray();
            response.Resources.Clear();
            response.Resources.AddRange(asked);
        }

        return response;
    }

    /// <summary>Waits until every question has its answer, and every answer its acknowledgement.</summary>
    public async Task QuietAsync()
    {
        using var patience = new CancellationTokenSource(XdsKit.Patience);
        for (var calm = 0; calm < 3;)
        {
            var requests = Server.Discovery.Requests;
            var (questions, answers) = (requests.Count(request => request.ResponseNonce.Length == 0), requests.Count(request => request.ResponseNonce.Length > 0));
            calm = questions == answers ? calm + 1 : 0;
            await Task.Delay(10, patience.Token);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _source.DisposeAsync();
        await Server.DisposeAsync();
    }
}
