using System.Net;
using System.Net.Sockets;
using Ambient.Mesh;
using Ambient.Samples.Bookinfo.Walkthrough.Evidence;
using Ambient.Samples.Bookinfo.Walkthrough.Requests;

namespace Ambient.Samples.Bookinfo.Walkthrough.Cluster;

/// <summary>
/// Where nodes and pods are: on loopback addresses of this machine, or each in a network namespace of its own. A place is the name of a
/// node or of a pod.
/// </summary>
internal interface IClusterNetwork : IAsyncDisposable
{
    /// <summary>Where addresses of pods are taken from.</summary>
    IPNetwork PodRange { get; }

    /// <summary>Where addresses of services are taken from.</summary>
    IPNetwork ServiceRange { get; }

    /// <summary>Whether ztunnels carry pods that are outside the mesh as well, for want of anybody else who would.</summary>
    bool ZtunnelCarriesOutsiders { get; }

    /// <summary>What a node's ztunnel is told about it.</summary>
    IReadOnlyDictionary<string, string> ZtunnelSettings(string node);

    /// <summary>What a pod's process is told about it.</summary>
    IReadOnlyDictionary<string, string> PodSettings { get; }

    /// <summary>Brings the network up to the mesh: pods that came, pods that went, services.</summary>
    Task UpdateAsync(MeshSnapshot mesh, CancellationToken cancellation);

    /// <summary>The command that runs a program at a place.</summary>
    IReadOnlyList<string> CommandAt(string place, params IEnumerable<string> command);

    /// <summary>Operators' ports for the next host at a place.</summary>
    HostPorts NextPorts(string place);

    /// <summary>Whether an address can be listened on at a place.</summary>
    bool IsFree(string place, IPAddress address, int port);

    /// <summary>Connects from a place.</summary>
    Task<Socket> ConnectFromAsync(string place, IPEndPoint destination, CancellationToken cancellation);

    /// <summary>Connects to a pod as the kubelet of its node does.</summary>
    Task<Socket> ProbeAsync(IPEndPoint pod, CancellationToken cancellation);

    /// <summary>Reads what arrives at a pod's address; null when this process may not.</summary>
    PacketPeek? Peek(IPEndPoint pod);

    /// <summary>Makes requests from a pod.</summary>
    PodClient ClientAt(Workload pod);
}
