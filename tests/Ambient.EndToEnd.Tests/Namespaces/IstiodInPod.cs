using System.Net;
using System.Net.Sockets;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Discovery;
using Ambient.Node.Tests.Discovery.Xds;
using Ambient.Node.Tests.Discovery.Xds.Envoy;
using Ambient.Testing.ControlPlane;

namespace Ambient.EndToEnd.Tests.Namespaces;

/// <summary>An istiod that a pod of a <see cref="NamespaceCluster"/> reaches at 15012 of another: it may be stopped and started again.</summary>
internal sealed class IstiodInPod : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly CertificateSigner _signer;
    private readonly Func<DeltaDiscoveryRequest, DeltaDiscoveryResponse?> _answer;
    private readonly Socket _listener;
    private ControlPlaneServer? _server;

    private IstiodInPod(NamespaceCluster cluster, Socket listener, Func<DeltaDiscoveryRequest, DeltaDiscoveryResponse?> answer) =>
        (_signer, _listener, _answer) = (new CertificateSigner(cluster.Authority), listener, answer);

    /// <summary>The server that answers now.</summary>
    public ControlPlaneServer Server => _server!;

    public static async Task<IstiodInPod> StartAsync(NamespaceCluster cluster, ClusterPod pod, Func<DeltaDiscoveryRequest, DeltaDiscoveryResponse?> answer)
    {
        var istiod = cluster.Own(new IstiodInPod(cluster, cluster.Network.Listen(pod.Name, new IPEndPoint(pod.Addresses[0], 15012)), answer));
        await istiod.StartAsync(folder: null);
        _ = istiod.RelayAsync();
        return istiod;
    }

    /// <summary>Stops it: every connection breaks, and no other is made.</summary>
    public async Task StopAsync() => await _server!.StopAsync();

    /// <summary>Starts another one with the same root.</summary>
    public Task StartAgainAsync() => StartAsync(_server!.Folder);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _server!.DisposeAsync();
    }

    private async Task StartAsync(string? folder)
    {
        var server = await ControlPlaneServer.StartAsync(["istiod.istio-system.svc"], folder: folder);
        server.Discovery.Session = _ => _answer;
        server.Certificates.Answer = _signer.Answer;
        _server = server;
    }

    private async Task RelayAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                _ = CarryAsync(await _listener.AcceptAsync(_stop.Token));
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task CarryAsync(Socket client)
    {
        try
        {
            await using var here = new NetworkStream(client, ownsSocket: true);
            using var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await server.ConnectAsync(new IPEndPoint(IPAddress.Loopback, _server!.Port), _stop.Token);
            await using var there = new NetworkStream(server);
            await Task.WhenAny(here.CopyToAsync(there, _stop.Token), there.CopyToAsync(here, _stop.Token));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or IOException)
        {
        }
    }
}
