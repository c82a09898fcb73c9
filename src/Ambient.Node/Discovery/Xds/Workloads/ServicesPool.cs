using System.Collections.Immutable;
using Ambient.Mesh;
using Google.Protobuf.Collections;
using Wire = Ambient.Node.Protos.Workloads;
using Map = System.Collections.Immutable.ImmutableDictionary<string, System.Collections.Immutable.ImmutableArray<Ambient.Mesh.ServicePort>>;

namespace Ambient.Node.Discovery.Xds.Workloads;

/// <summary>
/// One instance of each map of services that many workloads share: the pods of a Deployment back the same services by the same ports, and a map
/// of its own for each of a hundred thousand workloads would be a sixth of what a mesh costs. Bounded. Not thread-safe.
/// </summary>
internal sealed class ServicesPool(StringPool strings)
{
    private const int Most = 16384;
    private readonly Dictionary<int, Map> _maps = [];

    /// <summary>The map that the wire describes, the shared one where there is one.</summary>
    /// <exception cref="ResourceException">A number is not a port.</exception>
    public Map Get(MapField<string, Wire.PortList> wire)
    {
        if (wire.Count == 0)
        {
            return Map.Empty;
        }

        // Of two maps with one hash the first is shared; nothing but memory depends on it.
        var hash = HashOf(wire);
        if (_maps.TryGetValue(hash, out var shared))
        {
            return IsSame(shared, wire) ? shared : Read(wire);
        }

        if (_maps.Count == Most)
        {
            // What has been given out stays shared; what nobody has any more goes.
            _maps.Clear();
        }

        return _maps[hash] = Read(wire);
    }

    private static int HashOf(MapField<string, Wire.PortList> wire)
    {
        // The order of a map means nothing.
        var hash = wire.Count;
        foreach (var (key, list) in wire)
        {
            var entry = new HashCode();
            entry.Add(key);
            foreach (var port in list.Ports)
            {
                entry.Add(port.ServicePort);
                entry.Add(port.TargetPort);
                entry.Add(port.AppProtocol);
            }

            hash ^= entry.ToHashCode();
        }

        return hash;
    }

    private static bool IsSame(Map map, MapField<string, Wire.PortList> wire)
    {
        if (map.Count != wire.Count)
        {
            return false;
        }

        foreach (var (key, list) in wire)
        {
            if (!map.TryGetValue(key, out var ports) || ports.Length != list.Ports.Count)
            {
                return false;
            }

            for (var i = 0; i < ports.Length; i++)
            {
                if (ports[i] != WirePorts.Read(list.Ports[i]))
                {
                    return false;
                }
            }
        }

        return true;
    }

    private Map Read(MapField<string, Wire.PortList> wire)
    {
        var services = ImmutableDictionary.CreateBuilder<string, ImmutableArray<ServicePort>>();
        foreach (var (key, ports) in wire)
        {
            services[strings.Get(key)] = WirePorts.Read(ports.Ports);
        }

        return services.ToImmutable();
    }
}
