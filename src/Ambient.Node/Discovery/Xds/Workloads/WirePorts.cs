using System.Collections.Immutable;
using Ambient.Mesh;
using Google.Protobuf.Collections;
using Wire = Ambient.Node.Protos.Workloads;

namespace Ambient.Node.Discovery.Xds.Workloads;

/// <summary>Ports of the wire, 32 bits wide, as ports.</summary>
internal static class WirePorts
{
    /// <summary>A service's ports.</summary>
    /// <exception cref="ResourceException">One of them is not a port.</exception>
    public static ImmutableArray<ServicePort> Read(RepeatedField<Wire.Port> wire)
    {
        var ports = ImmutableArray.CreateBuilder<ServicePort>(wire.Count);
        foreach (var port in wire)
        {
            ports.Add(Read(port));
        }

        return ports.MoveToImmutable();
    }

    /// <summary>One of them. A protocol that this version does not know counts as undeclared.</summary>
    /// <exception cref="ResourceException">It is not a port.</exception>
    public static ServicePort Read(Wire.Port wire) => new(
        Read("ports.service_port", wire.ServicePort),
        Read("ports.target_port", wire.TargetPort),
        wire.AppProtocol is >= Wire.AppProtocol.Unknown and <= Wire.AppProtocol.Tls ? (AppProtocol)(int)wire.AppProtocol : AppProtocol.Unknown);

    /// <summary>A port.</summary>
    /// <exception cref="ResourceException">It is not a port.</exception>
    public static int Read(string field, uint port) => port <= ushort.MaxValue ? (int)port : throw new ResourceException($"{field}: {port} is not a port");
}
