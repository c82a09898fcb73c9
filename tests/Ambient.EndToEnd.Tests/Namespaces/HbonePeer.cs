using System.Buffers;
using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Ambient.Certificates;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Sockets;
using Ambient.Identity;
using Ambient.Samples.Bookinfo.Walkthrough.Namespaces;

namespace Ambient.EndToEnd.Tests.Namespaces;

/// <summary>Somebody who speaks HBONE inside a pod without a ztunnel, with certificates of the cluster's authority: a waypoint, or a client that says what it likes.</summary>
internal sealed class HbonePeer : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly SvidCache _svids;
    private readonly HboneClient _client;
    private readonly List<HboneListener> _listeners = [];
    private readonly List<Task> _running = [];
    private readonly SpiffeId _id;
    private readonly string _greeting;

    private HbonePeer(NamespaceCluster cluster, string pod, SpiffeId id, string greeting)
    {
        _id = id;
        _greeting = greeting;
        _svids = new SvidCache(cluster.Authority);
        _client = new HboneClient(new HboneClientOptions { Connector = new PodConnector(cluster.Network, pod) }, _svids);
    }

    /// <summary>Authorities of the tunnels that were accepted.</summary>
    public ConcurrentQueue<string> Authorities { get; } = new();

    /// <summary>Listens on 15008 of a pod: writes a greeting, then sends back what comes.</summary>
    public static HbonePeer Serve(NamespaceCluster cluster, ClusterPod pod, string greeting = "waypoint\n")
    {
        var peer = new HbonePeer(cluster, pod.Name, SpiffeId.Parse(pod.Identity), greeting);
        return peer.Listen(cluster, pod, peer.AnswerAsync);
    }

    /// <summary>Listens on 15008 of a pod, and takes what is in a tunnel to where its authority says, as it is.</summary>
    public static HbonePeer ServeGateway(NamespaceCluster cluster, ClusterPod pod, Func<string, IPEndPoint> route)
    {
        var peer = new HbonePeer(cluster, pod.Name, SpiffeId.Parse(pod.Identity), "");
        return peer.Listen(cluster, pod, async (connect, cancellation) =>
        {
            peer.Authorities.Enqueue(connect.Authority);
            await using var there = new NetworkStream(await cluster.Network.ConnectAsync(pod.Name, route(connect.Authority), cancellation), ownsSocket: true);
            await using var tunnel = connect.Accept();
            await using var here = tunnel.AsStream();
            await Task.WhenAny(here.CopyToAsync(there, cancellation), there.CopyToAsync(here, cancellation));
        });
    }

    private HbonePeer Listen(NamespaceCluster cluster, ClusterPod pod, HboneConnectHandler handler)
    {
        foreach (var address in pod.Addresses)
        {
            var listener = new HboneListener(
                cluster.Network.Listen(pod.Name, new IPEndPoint(address, 15008)), new HboneServerOptions(), _svids,
                (_, _) => new ValueTask<SpiffeId?>(_id), handler);
            _listeners.Add(listener);
            _running.Add(listener.RunAsync(_stop.Token));
        }

        return cluster.Own(this);
    }

    /// <summary>A client in a pod with an identity.</summary>
    public static HbonePeer Client(NamespaceCluster cluster, string pod, string identity) => cluster.Own(new HbonePeer(cluster, pod, SpiffeId.Parse(identity), ""));

    /// <summary>Opens a tunnel.</summary>
    public ValueTask<HboneTunnel> ConnectAsync(string address, string authority, string accepted) => _client.ConnectAsync(new HboneConnectRequest
    {
        NextHop = new IPEndPoint(IPAddress.Parse(address), 15008),
        Authority = authority,
        Source = _id,
        AcceptedIdentities = ImmutableArray.Create(SpiffeId.Parse(accepted)),
    });

    /// <summary>The status that a CONNECT is answered with.</summary>
    public async Task<int> StatusAsync(string address, string authority, string accepted)
    {
        try
        {
            await using var tunnel = await ConnectAsync(address, authority, accepted);
            return 200;
        }
        catch (HboneException e) when (e.StatusCode is { } status)
        {
            return status;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        foreach (var listener in _listeners)
        {
            await listener.DisposeAsync();
        }

        await Task.WhenAll(_running);
        await _client.DisposeAsync();
        await _svids.DisposeAsync();
        _stop.Dispose();
    }

    private async ValueTask AnswerAsync(HboneConnect connect, CancellationToken cancellationToken)
    {
        Authorities.Enqueue(connect.Authority);
        await using var tunnel = connect.Accept("k8s.namespace.name=default,k8s.deployment.name=" + _id.ToString().Split('/')[^1]);
        tunnel.Output.Write(System.Text.Encoding.ASCII.GetBytes(_greeting));
        await tunnel.Output.FlushAsync(cancellationToken);
        while (true)
        {
            var read = await tunnel.Input.ReadAsync(cancellationToken);
            foreach (var segment in read.Buffer)
            {
                tunnel.Output.Write(segment.Span);
            }

            tunnel.Input.AdvanceTo(read.Buffer.End);
            await tunnel.Output.FlushAsync(cancellationToken);
            if (read.IsCompleted)
            {
                await tunnel.Output.CompleteAsync();
                return;
            }
        }
    }

    private sealed class PodConnector(ClusterNetwork network, string pod) : ISocketConnector
    {
        public async ValueTask<Socket> ConnectAsync(IPEndPoint destination, IPAddress? source, CancellationToken cancellationToken) =>
            await network.ConnectAsync(pod, destination, cancellationToken);
    }
}
