using Ambient.Mesh;
using Ambient.Node.ControlPlane;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Discovery.Xds.Client;
using Ambient.Node.Discovery.Xds.Workloads;
using Ambient.Node.Protos.Discovery;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Testing.ControlPlane;
using Google.Protobuf;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using WireAddress = Ambient.Node.Protos.Workloads.Address;
using WireAuthorization = Ambient.Node.Protos.Security.Authorization;
using WireService = Ambient.Node.Protos.Workloads.Service;
using WireWorkload = Ambient.Node.Protos.Workloads.Workload;

namespace Ambient.Node.Tests.Discovery.Xds;

/// <summary>Sources and resources for tests of the xDS client.</summary>
internal static class XdsKit
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public static XdsOptions Options(ControlPlaneServer server) => Options(server.Address, server.RootFile);

    public static XdsOptions Options(Uri address, string roots) => new()
    {
        Server = new ControlPlaneOptions { Name = "xDS", Address = address, Roots = roots },
        InstanceIP = "10.0.0.1",
        PodName = "ztunnel-0",
        PodNamespace = "istio-system",
        NodeName = "node-a",
    };

    public static XdsSource Source(XdsOptions options, MeshStore store, MetricRegistry? registry = null, ILogger? logger = null) =>
        new(options, store, registry is null ? null : new XdsMetrics(registry), logger ?? NullLogger.Instance, TimeProvider.System);

    public static async Task<XdsSource> StartAsync(ControlPlaneServer server, MeshStore store, MetricRegistry? registry = null, ILogger? logger = null)
    {
        var source = Source(Options(server), store, registry, logger);
        try
        {
            await source.StartAsync(CancellationToken.None).WaitAsync(Patience);
            return source;
        }
        catch
        {
            await source.DisposeAsync();
            throw;
        }
    }

    public static Resource Workload(string name, string address = "10.0.0.2", Action<WireWorkload>? more = null)
    {
        var workload = new WireWorkload { Uid = Uid(name), Name = name, Namespace = "ns", Addresses = { Bytes(address) } };
        more?.Invoke(workload);
        return Of(workload.Uid, XdsTypes.Address, new WireAddress { Workload = workload });
    }

    public static Resource Service(string name, Action<WireService>? more = null)
    {
        var service = new WireService { Name = name, Namespace = "ns", Hostname = $"{name}.ns.svc.cluster.local" };
        more?.Invoke(service);
        return Of($"ns/{service.Hostname}", XdsTypes.Address, new WireAddress { Service = service });
    }

    public static Resource Policy(string name, Action<WireAuthorization>? more = null)
    {
        var policy = new WireAuthorization { Name = name, Namespace = "ns" };
        more?.Invoke(policy);
        return Of($"ns/{name}", XdsTypes.Authorization, policy);
    }

    public static Resource Of(string name, string type, IMessage message, string version = "1") => new()
    {
        Name = name,
        Version = version,
        Resource_ = new Google.Protobuf.WellKnownTypes.Any { TypeUrl = type, Value = message.ToByteString() },
    };

    public static DeltaDiscoveryResponse Response(string type, params Resource[] resources) =>
        new() { TypeUrl = type, Nonce = Guid.NewGuid().ToString(), Resources = { resources } };

    public static string Uid(string name) => $"Kubernetes//Pod/ns/{name}";

    public static ByteString Bytes(string address) => ByteString.CopyFrom(System.Net.IPAddress.Parse(address).GetAddressBytes());

    /// <summary>Parses as the client does.</summary>
    public static XdsResponse Parse(byte[] message, IResourceReader? others = null) => XdsResponse.Parse(new(message), new AddressReader(new StringPool()), others);

    public static async Task UntilAsync(Func<bool> condition)
    {
        for (var tries = 0; !condition(); tries++)
        {
            Assert.True(tries < 1500, "it did not come to be");
            await Task.Delay(20);
        }
    }
}
