using System.Buffers;
using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Workloads;
using Ambient.Node.Protos.Envoy;
using Locality = Ambient.Mesh.Locality;
using SocketAddress = Ambient.Node.Protos.Envoy.SocketAddress;

namespace Ambient.Node.Discovery.Xds.Envoy.Clusters;

/// <summary>
/// Reads the endpoints of a cluster where they lie on the wire. istiod repeats all of them for most changes, and Google.Protobuf makes fifteen objects of each; here an endpoint that
/// says what it said before stays the object that it was. What is not the usual case (fields that are rare, twice there, wrong or new, texts that are not ASCII, addresses that are
/// none) is left to <see cref="AssignmentReader"/>, which says what is wrong with it.
/// </summary>
internal static class PlainAssignmentReader
{
    private const int LongestAddress = 64;

    /// <summary>The assignment; null: the other reader has to read it.</summary>
    /// <param name="bytes">Its bytes.</param>
    /// <param name="before">What came under its name before, whose parts are used again; null: nothing.</param>
    public static EnvoyAssignment? Read(ReadOnlySpan<byte> bytes, EnvoyAssignment? before)
    {
        try
        {
            return ReadWhole(bytes, before);
        }
        catch (InvalidDataException)
        {
            return null;
        }
    }

    private static EnvoyAssignment? ReadWhole(ReadOnlySpan<byte> bytes, EnvoyAssignment? before)
    {
        ReadOnlySpan<byte> cluster = default;
        var (seen, count) = (0, 0);
        var fields = new WireFields(bytes);
        while (fields.MoveNext())
        {
            switch (fields.Number)
            {
                case ClusterLoadAssignment.ClusterNameFieldNumber when fields.IsText && Once(ref seen, fields.Number) && Ascii.IsValid(fields.Content):
                    cluster = fields.Content;
                    break;
                case ClusterLoadAssignment.EndpointsFieldNumber when fields.IsText:
                    count += CountOf(fields.Content);
                    break;
                default:
                    return null;
            }
        }

        var name = Same(cluster, before?.Name) ? before!.Name : Encoding.ASCII.GetString(cluster);
        var endpoints = new EnvoyEndpoint[count];
        var (read, same) = (0, before is { Overprovisioning: AssignedEndpoints.UsualOverprovisioning } && before.Endpoints.Length == count && ReferenceEquals(name, before.Name));
        fields = new WireFields(bytes);
        while (fields.MoveNext())
        {
            if (fields.Number == ClusterLoadAssignment.EndpointsFieldNumber && !ReadLocality(fields.Content, name, before, endpoints, ref read, ref same))
            {
                return null;
            }
        }

        return same ? before : new EnvoyAssignment(name, ImmutableCollectionsMarshal.AsImmutableArray(endpoints));
    }

    private static int CountOf(ReadOnlySpan<byte> locality)
    {
        var count = 0;
        var fields = new WireFields(locality);
        while (fields.MoveNext())
        {
            count += fields.Number == LocalityLbEndpoints.LbEndpointsFieldNumber ? 1 : 0;
        }

        return count;
    }

    private static bool ReadLocality(ReadOnlySpan<byte> bytes, string cluster, EnvoyAssignment? before, EnvoyEndpoint[] endpoints, ref int read, ref bool same)
    {
        var place = Locality.Empty;
        var labels = "";
        var (seen, weight, priority) = (0, 0u, 0);
        var fields = new WireFields(bytes);
        while (fields.MoveNext())
        {
            switch (fields.Number)
            {
                case LocalityLbEndpoints.LbEndpointsFieldNumber when fields.IsText:
                    break;
                case LocalityLbEndpoints.LocalityFieldNumber when fields.IsText && Once(ref seen, fields.Number) && ReadPlace(fields.Content, out place):
                    break;
                case LocalityLbEndpoints.LoadBalancingWeightFieldNumber when fields.IsText && Once(ref seen, fields.Number) && ReadNumber(fields.Content, out weight):
                    break;
                case LocalityLbEndpoints.PriorityFieldNumber when fields is { IsNumber: true, Value: <= uint.MaxValue } && Once(ref seen, fields.Number):
                    priority = (int)Math.Min(fields.Value, AssignmentReader.LowestPriority);
                    break;
                default:
                    return false;
            }
        }

        fields = new WireFields(bytes);
        while (fields.MoveNext())
        {
            if (fields.Number != LocalityLbEndpoints.LbEndpointsFieldNumber)
            {
                continue;
            }

            var parts = new Parts { Weight = 1 };
            if (!ReadEndpoint(fields.Content, ref parts))
            {
                return false;
            }

            var earlier = read < before?.Endpoints.Length ? before.Endpoints[read] : null;
            if (earlier is not null && earlier.Priority == priority && earlier.LocalityWeight == weight && earlier.Locality == place && earlier.Assignment == cluster && Says(earlier, parts))
            {
                endpoints[read++] = earlier;
                continue;
            }

            if (AddressOf(parts) is not { } address)
            {
                return false;
            }

            // One instance for all that say the same.
            labels = SaysLabel(labels, parts) ? labels : parts.HasLabel ? $"{Encoding.ASCII.GetString(parts.Label)}={Encoding.ASCII.GetString(parts.LabelValue)}" : "";
            var workload = Same(parts.Workload, earlier?.Workload) ? earlier!.Workload : Encoding.ASCII.GetString(parts.Workload);
            endpoints[read++] = new EnvoyEndpoint(address.Address, address.Port, parts.ByTunnel, parts.IsHealthy, parts.Weight, priority, place, workload)
            {
                Assignment = cluster,
                SocketLabels = labels,
                LocalityWeight = weight,
            };
            same = false;
        }

        return true;
    }

    private static bool ReadPlace(ReadOnlySpan<byte> bytes, out Locality place)
    {
        place = Locality.Empty;
        if (bytes.IsEmpty)
        {
            return true;
        }

        ReadOnlySpan<byte> region = default, zone = default, subzone = default;
        var seen = 0;
        var fields = new WireFields(bytes);
        while (fields.MoveNext())
        {
            if (!fields.IsText || !Once(ref seen, fields.Number) || !Ascii.IsValid(fields.Content))
            {
                return false;
            }

            switch (fields.Number)
            {
                case Protos.Envoy.Locality.RegionFieldNumber:
                    region = fields.Content;
                    break;
                case Protos.Envoy.Locality.ZoneFieldNumber:
                    zone = fields.Content;
                    break;
                case Protos.Envoy.Locality.SubZoneFieldNumber:
                    subzone = fields.Content;
                    break;
                default:
                    return false;
            }
        }

        place = new Locality(Encoding.ASCII.GetString(region), Encoding.ASCII.GetString(zone), Encoding.ASCII.GetString(subzone));
        return true;
    }

    private static bool ReadEndpoint(ReadOnlySpan<byte> bytes, ref Parts parts)
    {
        var seen = 0;
        var fields = new WireFields(bytes);
        while (fields.MoveNext())
        {
            switch (fields.Number)
            {
                case LbEndpoint.EndpointFieldNumber when fields.IsText && Once(ref seen, fields.Number)
                    && Only(fields.Content, Endpoint.AddressFieldNumber, out var address) && ReadAddress(address, ref parts):
                    break;
                case LbEndpoint.HealthStatusFieldNumber when fields is { IsNumber: true, Value: <= int.MaxValue } && Once(ref seen, fields.Number):
                    parts.Health = (HealthStatus)fields.Value;
                    break;
                case LbEndpoint.MetadataFieldNumber when fields.IsText && Once(ref seen, fields.Number) && ReadMetadata(fields.Content, ref parts):
                    break;
                case LbEndpoint.LoadBalancingWeightFieldNumber when fields.IsText && Once(ref seen, fields.Number) && ReadNumber(fields.Content, out parts.Weight):
                    break;
                default:
                    return false;
            }
        }

        return !parts.Address.IsEmpty && Ascii.IsValid(parts.Address) && Ascii.IsValid(parts.Local);
    }

    /// <summary>An address and port, or a tunnel to the pod itself.</summary>
    private static bool ReadAddress(ReadOnlySpan<byte> bytes, ref Parts parts)
    {
        if (Only(bytes, Address.SocketAddressFieldNumber, out var socket))
        {
            var seen = 0;
            var fields = new WireFields(socket);
            while (fields.MoveNext())
            {
                switch (fields.Number)
                {
                    case SocketAddress.AddressFieldNumber when fields.IsText && Once(ref seen, fields.Number):
                        parts.Address = fields.Content;
                        break;
                    case SocketAddress.PortValueFieldNumber when fields is { IsNumber: true, Value: <= IPEndPoint.MaxPort } && Once(ref seen, fields.Number):
                        parts.Port = (int)fields.Value;
                        break;
                    default:
                        return false;
                }
            }

            return parts.Port > 0;
        }

        if (!Only(bytes, Address.EnvoyInternalAddressFieldNumber, out var inner))
        {
            return false;
        }

        var (found, isTunnel) = (0, false);
        var names = new WireFields(inner);
        while (names.MoveNext())
        {
            switch (names.Number)
            {
                case InternalAddress.ServerListenerNameFieldNumber when names.IsText && Once(ref found, names.Number):
                    isTunnel = Ascii.Equals(names.Content, AssignmentReader.Tunnel);
                    break;
                case InternalAddress.EndpointIdFieldNumber when names.IsText && Once(ref found, names.Number):
                    parts.Address = names.Content;
                    break;
                default:
                    return false;
            }
        }

        parts.ByTunnel = true;
        return isTunnel;
    }

    /// <summary>What filters know of it, each in one text: who it is, where its tunnel leads, and which socket it wants.</summary>
    private static bool ReadMetadata(ReadOnlySpan<byte> bytes, ref Parts parts)
    {
        var seen = 0;
        var entries = new WireFields(bytes);
        while (entries.MoveNext())
        {
            if (entries.Number != Metadata.FilterMetadataFieldNumber || !entries.IsText || !Entry(entries.Content, out var filter, out var values)
                || !Only(values, 1, out var pair) || !Entry(pair, out var key, out var value) || !Only(value, 3, out var text))
            {
                return false;
            }

            if (Ascii.Equals(filter, "istio") && Ascii.Equals(key, "workload") && Once(ref seen, 1))
            {
                parts.Workload = text;
            }
            else if (Ascii.Equals(filter, AssignmentReader.OriginalDestination) && Ascii.Equals(key, "local") && Once(ref seen, 2))
            {
                parts.Local = text;
            }
            else if (Ascii.Equals(filter, AssignmentReader.SocketMatch) && Once(ref seen, 3))
            {
                parts.Label = key;
                parts.LabelValue = text;
                parts.HasLabel = true;
            }
            else
            {
                return false;
            }
        }

        return Ascii.IsValid(parts.Workload) && Ascii.IsValid(parts.Label) && Ascii.IsValid(parts.LabelValue);
    }

    /// <summary>The key and the value of a map's entry, both of which are texts or messages.</summary>
    private static bool Entry(ReadOnlySpan<byte> bytes, out ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value)
    {
        key = default;
        value = default;
        var seen = 0;
        var fields = new WireFields(bytes);
        while (fields.MoveNext())
        {
            if (!fields.IsText || fields.Number > 2 || !Once(ref seen, fields.Number))
            {
                return false;
            }

            if (fields.Number == 1)
            {
                key = fields.Content;
            }
            else
            {
                value = fields.Content;
            }
        }

        return !key.IsEmpty && !value.IsEmpty;
    }

    /// <summary>The text or message that is all that a message has.</summary>
    private static bool Only(ReadOnlySpan<byte> bytes, int number, out ReadOnlySpan<byte> content)
    {
        content = default;
        var fields = new WireFields(bytes);
        if (!fields.MoveNext() || fields.Number != number || !fields.IsText)
        {
            return false;
        }

        content = fields.Content;
        return !fields.MoveNext();
    }

    /// <summary>A number in a message of its own, as an optional one is.</summary>
    private static bool ReadNumber(ReadOnlySpan<byte> bytes, out uint number)
    {
        number = 0;
        if (bytes.IsEmpty)
        {
            return true;
        }

        var fields = new WireFields(bytes);
        if (!fields.MoveNext() || fields is not { Number: 1, IsNumber: true, Value: <= uint.MaxValue })
        {
            return false;
        }

        number = (uint)fields.Value;
        return !fields.MoveNext();
    }

    private static bool Once(ref int seen, int number)
    {
        var bit = number is > 0 and < 32 ? 1 << number : 0;
        var isFirst = bit != 0 && (seen & bit) == 0;
        seen |= bit;
        return isFirst;
    }

    private static bool Same(ReadOnlySpan<byte> ascii, string? text) => text is not null && Ascii.Equals(ascii, text);

    /// <summary>Whether an endpoint says what was said before.</summary>
    private static bool Says(EnvoyEndpoint earlier, in Parts parts)
    {
        if (earlier.ByTunnel != parts.ByTunnel || earlier.IsHealthy != parts.IsHealthy || earlier.Weight != parts.Weight || earlier.Host.Length > 0 || earlier.Hop is not null
            || !Same(parts.Workload, earlier.Workload) || !SaysLabel(earlier.SocketLabels, parts))
        {
            return false;
        }

        // As it is written usually; another way to write it is read.
        Span<byte> text = stackalloc byte[LongestAddress];
        if (!parts.ByTunnel)
        {
            return earlier.Port == parts.Port && earlier.Address.TryFormat(text, out var length) && text[..length].SequenceEqual(parts.Address);
        }

        // Not an interpolated text: that boxes the port, for each endpoint of a mesh.
        var target = parts.Target;
        var isVersion6 = earlier.Address.AddressFamily == AddressFamily.InterNetworkV6;
        return (!isVersion6 || Skip(ref target, (byte)'['))
            && earlier.Address.TryFormat(text, out var address) && Skip(ref target, text[..address])
            && (!isVersion6 || Skip(ref target, (byte)']'))
            && Skip(ref target, (byte)':')
            && earlier.Port.TryFormat(text, out var port, provider: CultureInfo.InvariantCulture) && target.SequenceEqual(text[..port]);
    }

    private static bool Skip(ref ReadOnlySpan<byte> text, params ReadOnlySpan<byte> beginning)
    {
        if (!text.StartsWith(beginning))
        {
            return false;
        }

        text = text[beginning.Length..];
        return true;
    }

    private static bool SaysLabel(string labels, in Parts parts) => parts.HasLabel
        ? labels.Length == parts.Label.Length + 1 + parts.LabelValue.Length
            && labels[parts.Label.Length] == '='
            && Ascii.Equals(parts.Label, labels.AsSpan(0, parts.Label.Length))
            && Ascii.Equals(parts.LabelValue, labels.AsSpan(parts.Label.Length + 1))
        : labels.Length == 0;

    private static IPEndPoint? AddressOf(in Parts parts)
    {
        var target = parts.Target;
        Span<char> text = stackalloc char[LongestAddress];
        if (target.Length > text.Length || Ascii.ToUtf16(target, text, out var length) != OperationStatus.Done)
        {
            return null;
        }

        if (parts.ByTunnel)
        {
            return IPEndPoint.TryParse(text[..length], out var end) && end.Port > 0 ? end : null;
        }

        return IPAddress.TryParse(text[..length], out var address) ? new IPEndPoint(address, parts.Port) : null;
    }

    /// <summary>What an endpoint says, where it lies.</summary>
    private ref struct Parts
    {
        /// <summary>Its address; of a tunnel, with the port.</summary>
        public ReadOnlySpan<byte> Address;

        public int Port;

        public bool ByTunnel;

        public HealthStatus Health;

        public uint Weight;

        public ReadOnlySpan<byte> Workload;

        /// <summary>Where its tunnel leads, as a filter is told it.</summary>
        public ReadOnlySpan<byte> Local;

        public ReadOnlySpan<byte> Label;

        public ReadOnlySpan<byte> LabelValue;

        public bool HasLabel;

        public readonly bool IsHealthy => AssignmentReader.IsHealthy(Health);

        public readonly ReadOnlySpan<byte> Target => ByTunnel && !Local.IsEmpty ? Local : Address;
    }
}
