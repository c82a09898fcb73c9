using System.Net;
using System.Net.Sockets;
using Ambient.Mesh;
using Ambient.Node.Discovery.Sources;
using Ambient.Samples.Bookinfo.Walkthrough.Evidence;
using Ambient.Samples.Bookinfo.Walkthrough.Requests;

namespace Ambient.Samples.Bookinfo.Walkthrough.Cluster;

/// <summary>Everything on loopback addresses: needs nobody's permission, and ztunnels have SOCKS5 doors in place of redirection.</summary>
internal sealed class LoopbackNetwork : IClusterNetwork
{
    private static readonly Dictionary<string, string> s_ztunnel = new() { ["PROXY_MODE"] = "loopback" };
    private int _nextOffset;

    public IPNetwork PodRange { get; } = new DiscoveryOptions().PodRange;

    public IPNetwork ServiceRange { get; } = new DiscoveryOptions().ServiceRange;

    public bool ZtunnelCarriesOutsiders => true;

    public IReadOnlyDictionary<string, string> PodSettings { get; } = new Dictionary<string, string>();

    public IReadOnlyDictionary<string, string> ZtunnelSettings(string node) => s_ztunnel;

    public Task UpdateAsync(MeshSnapshot mesh, CancellationToken cancellation) => Task.CompletedTask;

    public IReadOnlyList<string> CommandAt(string place, params IEnumerable<string> command) => [.. command];

    public HostPorts NextPorts(string place)
    {
        var ports = HostPorts.FindFree(_nextOffset);
        _nextOffset = ports.NextOffset;
        return ports;
    }

    public bool IsFree(string place, IPAddress address, int port) => HostPorts.IsFree(address, port);

    public async Task<Socket> ConnectFromAsync(string place, IPEndPoint destination, CancellationToken cancellation)
    {
        var socket = new Socket(destination.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(destination, cancellation);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public Task<Socket> ProbeAsync(IPEndPoint pod, CancellationToken cancellation) => ConnectFromAsync("", pod, cancellation);

    public PacketPeek? Peek(IPEndPoint pod) => PacketPeek.TryStart(PacketPeek.RawSocket, pod);

    public PodClient ClientAt(Workload pod) => new SocksPodClient(pod.WorkloadName, pod.Addresses[0]);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
