using System.Collections.Immutable;
using System.Text;
using Ambient.Mesh;
using Google.Protobuf.Collections;
using Entry = System.Collections.Generic.KeyValuePair<string, System.Collections.Immutable.ImmutableArray<Ambient.Mesh.ServicePort>>;
using Map = System.Collections.Immutable.ImmutableDictionary<string, System.Collections.Immutable.ImmutableArray<Ambient.Mesh.ServicePort>>;
using Wire = Ambient.Node.Protos.Workloads;

namespace Ambient.Node.Discovery.Xds.Workloads;

/// <summary>
/// One instance of each map of services that many workloads share: the pods of a Deployment back the same services by the same ports, and a map
/// of its own for each of a hundred thousand workloads would be a sixth of what a mesh costs. Bounded. Not thread-safe.
/// </summary>
internal sealed class ServicesPool(StringPool strings)
{
    private const int Most = 16384;

    // Of one workload. Each is compared with those before it.
    private const int MostInPlace = 32;
    private readonly Dictionary<int, Map> _maps = [];
    private readonly BytesPool<Map> _read = new();
    private readonly List<Entry> _entries = [];
    private readonly List<ServicePort> _ports = [];

    /// <summary>The map that the wire describes, the shared one where there is one.</summary>
    /// <exception cref="ResourceException">A number is not a port.</exception>
    public Map Get(MapField<string, Wire.PortList> wire)
    {
        _entries.Clear();
        foreach (var (key, ports) in wire)
        {
            _entries.Add(new(strings.Get(key), WirePorts.Read(ports.Ports)));
        }

        return Shared();
    }

    /// <summary>
    /// The map from its fields in a workload, where they lie; null when that is not the usual case (texts that are not ASCII, a key that is there
    /// twice, what is not a port, more than a few dozen services), which Google.Protobuf has to judge.
    /// </summary>
    /// <param name="wire">The fields, one after another and nothing else.</param>
    /// <exception cref="InvalidDataException">They are broken.</exception>
    public Map? Get(ReadOnlySpan<byte> wire)
    {
        if (wire.IsEmpty)
        {
            return Map.Empty;
        }

        if (_read.Find(wire) is { } known)
        {
            return known;
        }

        _entries.Clear();
        var fields = new WireFields(wire);
        while (fields.MoveNext())
        {
            if (_entries.Count == MostInPlace || !TryAdd(fields.Content))
            {
                return null;
            }
        }

        var map = Shared();
        _read.Add(wire, map);
        return map;
    }

    /// <summary>An entry of the map: key and list of ports, each once.</summary>
    private bool TryAdd(ReadOnlySpan<byte> entry)
    {
        string? key = null;
        ImmutableArray<ServicePort>? ports = null;
        var fields = new WireFields(entry);
        while (fields.MoveNext())
        {
            switch (fields.Number)
            {
                case 1 when key is null && fields.IsText && strings.GetAscii(fields.Content) is { } text:
                    key = text;
                    break;
                case 2 when ports is null && fields.IsText && PortsOf(fields.Content) is { } list:
                    ports = list;
                    break;
                default:
                    return false;
            }
        }

        if (key is null || ports is not { } read || _entries.Exists(other => other.Key == key))
        {
            return false;
        }

        _entries.Add(new(key, read));
        return true;
    }

    private ImmutableArray<ServicePort>? PortsOf(ReadOnlySpan<byte> list)
    {
        _ports.Clear();
        var ports = new WireFields(list);
        while (ports.MoveNext())
        {
            if (ports.Number != 1 || !ports.IsText)
            {
                return null;
            }

            var (service, target, protocol) = (0UL, 0UL, 0UL);
            var fields = new WireFields(ports.Content);
            while (fields.MoveNext())
            {
                switch (fields.Number)
                {
                    case 1 when fields.IsNumber: service = fields.Value; break;
                    case 2 when fields.IsNumber: target = fields.Value; break;
                    case 3 when fields.IsNumber: protocol = fields.Value; break;
                    default: return null;
                }
            }

            if (service > ushort.MaxValue || target > ushort.MaxValue || protocol > (ulong)AppProtocol.Tls)
            {
                return null;
            }

            _ports.Add(new ServicePort((int)service, (int)target, (AppProtocol)protocol));
        }

        return [.. _ports];
    }

    /// <summary>The map of what has been read, the shared one where there is one.</summary>
    private Map Shared()
    {
        if (_entries.Count == 0)
        {
            return Map.Empty;
        }

        // Of two maps with one hash the first is shared; nothing but memory depends on it.
        var hash = HashOf(_entries);
        if (_maps.TryGetValue(hash, out var shared))
        {
            return IsRead(shared) ? shared : Map.Empty.AddRange(_entries);
        }

        if (_maps.Count == Most)
        {
            // What has been given out stays shared; what nobody has any more goes.
            _maps.Clear();
        }

        return _maps[hash] = Map.Empty.AddRange(_entries);
    }

    private static int HashOf(List<Entry> entries)
    {
        // The order of a map means nothing.
        var hash = entries.Count;
        foreach (var (key, ports) in entries)
        {
            var entry = new HashCode();
            entry.Add(key);
            foreach (var port in ports)
            {
                entry.Add(port);
            }

            hash ^= entry.ToHashCode();
        }

        return hash;
    }

    /// <summary>Whether a map is what has been read.</summary>
    private bool IsRead(Map map)
    {
        if (map.Count != _entries.Count)
        {
            return false;
        }

        foreach (var (key, ports) in _entries)
        {
            if (!map.TryGetValue(key, out var held) || !held.AsSpan().SequenceEqual(ports.AsSpan()))
            {
                return false;
            }
        }

        return true;
    }
}
