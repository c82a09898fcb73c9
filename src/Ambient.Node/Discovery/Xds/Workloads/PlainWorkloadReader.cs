using System.Collections.Immutable;
using System.Net;
using System.Text;
using Ambient.Mesh;
using Google.Protobuf;
using Wire = Ambient.Node.Protos.Workloads;

namespace Ambient.Node.Discovery.Xds.Workloads;

/// <summary>
/// Reads a workload where it lies on the wire, with no object in between and no text that is known already: a third of what
/// Google.Protobuf and <see cref="AddressReader"/> cost. What is not the usual case (fields that are rare, twice there, wrong or new, texts
/// that are not ASCII, a part that was not seen before) is left to them, and <see cref="Learn"/> is told what came of it. Not thread-safe.
/// </summary>
internal sealed class PlainWorkloadReader(StringPool strings, ServicesPool maps)
{
    private const int WorkloadField = 1;
    private const int ServicesField = 22;
    private readonly BytesPool<ImmutableDictionary<string, ImmutableArray<ServicePort>>> _services = new();
    private readonly BytesPool<Locality> _localities = new();
    private readonly BytesPool<GatewayAddress> _gateways = new();

    /// <summary>The workload of an Address message; null when it is to be read by the others.</summary>
    public Workload? Read(ReadOnlySpan<byte> address)
    {
        try
        {
            return Find(address, out var parts) && ServicesOf(parts.Services, out var services)
                && Known(_localities, parts.Locality, out var locality)
                && Known(_gateways, parts.Waypoint, out var waypoint)
                && Known(_gateways, parts.NetworkGateway, out var gateway)
                    ? Read(parts, services, locality, waypoint, gateway)
                    : null;
        }
        catch (InvalidDataException)
        {
            // Broken bytes: the others say in which way.
            return null;
        }
    }

    /// <summary>Remembers the parts of a message that the others have read; services are read and remembered here.</summary>
    public void Learn(ReadOnlySpan<byte> address, Workload workload)
    {
        try
        {
            if (Find(address, out var parts))
            {
                Learn(_localities, parts.Locality, workload.Locality);
                Learn(_gateways, parts.Waypoint, workload.Waypoint);
                Learn(_gateways, parts.NetworkGateway, workload.NetworkGateway);
            }
        }
        catch (InvalidDataException)
        {
            // They are more lenient than we are.
        }
    }

    /// <summary>
    /// The map of services from its own bytes: the fields of a workload that has nothing else. Of many workloads that differ in it alone, each
    /// would otherwise be read by the others.
    /// </summary>
    private bool ServicesOf(ReadOnlySpan<byte> bytes, out ImmutableDictionary<string, ImmutableArray<ServicePort>>? services)
    {
        services = bytes.IsEmpty ? null : _services.Find(bytes);
        if (services is not null || bytes.IsEmpty)
        {
            return true;
        }

        try
        {
            services = maps.Get(Wire.Workload.Parser.ParseFrom(bytes).Services);
        }
        catch (Exception e) when (e is ResourceException or InvalidProtocolBufferException or InvalidOperationException)
        {
            return false;
        }

        _services.Add(bytes, services);
        return true;
    }

    private static void Learn<T>(BytesPool<T> pool, ReadOnlySpan<byte> bytes, T? value)
        where T : class
    {
        if (!bytes.IsEmpty && value is not null)
        {
            pool.Add(bytes, value);
        }
    }

    private static bool Known<T>(BytesPool<T> pool, ReadOnlySpan<byte> bytes, out T? value)
        where T : class
    {
        value = bytes.IsEmpty ? null : pool.Find(bytes);
        return bytes.IsEmpty || value is not null;
    }

    /// <summary>Finds the workload in its envelope and its parts in it; false when there is more than that.</summary>
    private static bool Find(ReadOnlySpan<byte> address, out Parts parts)
    {
        parts = default;
        var envelope = new WireFields(address);
        if (!envelope.MoveNext() || envelope.Number != WorkloadField || !envelope.IsText)
        {
            return false;
        }

        parts.Workload = envelope.Content;
        if (envelope.MoveNext())
        {
            return false;
        }

        var (from, to) = (0, 0);
        var fields = new WireFields(parts.Workload);
        for (var before = 0; fields.MoveNext(); before = fields.Position)
        {
            switch (fields.Number)
            {
                case ServicesField when to == 0:
                    (from, to) = (before, fields.Position);
                    break;
                case ServicesField when to == before:
                    to = fields.Position;
                    break;
                case ServicesField:
                    return false;
                case 8:
                    if (!Once(ref parts.Waypoint, fields))
                    {
                        return false;
                    }

                    break;
                case 19:
                    if (!Once(ref parts.NetworkGateway, fields))
                    {
                        return false;
                    }

                    break;
                case 24:
                    if (!Once(ref parts.Locality, fields))
                    {
                        return false;
                    }

                    break;
            }
        }

        parts.Services = parts.Workload[from..to];
        return true;
    }

    /// <summary>A message that is there twice would have to be merged, and an empty one is not one that is absent.</summary>
    private static bool Once(ref ReadOnlySpan<byte> part, WireFields fields)
    {
        if (!part.IsEmpty || !fields.IsText || fields.Content.IsEmpty)
        {
            return false;
        }

        part = fields.Content;
        return true;
    }

    private Workload? Read(
        in Parts parts, ImmutableDictionary<string, ImmutableArray<ServicePort>>? services, Locality? locality, GatewayAddress? waypoint, GatewayAddress? gateway)
    {
        string uid = "", name = "", ns = "", trustDomain = "", account = "", hostname = "", network = "", node = "", workloadName = "";
        string canonicalName = "", canonicalRevision = "", cluster = "";
        ulong protocol = 0, mode = 0, type = 0, status = 0, native = 0;
        ImmutableArray<IPAddress> addresses = [];
        ImmutableArray<string> policies = [];
        var fields = new WireFields(parts.Workload);
        while (fields.MoveNext())
        {
            var isText = fields.Number is not (5 or 12 or 14 or 17 or 25);
            if (isText ? !fields.IsText : !fields.IsNumber)
            {
                return null;
            }

            string? text = "";
            switch (fields.Number)
            {
                case 1: text = name = Own(fields.Content)!; break;
                case 2: text = ns = Shared(fields.Content)!; break;
                case 3 when fields.Content.Length is 4 or 16: addresses = addresses.Add(new IPAddress(fields.Content)); break;
                case 4: text = network = Shared(fields.Content)!; break;
                case 5: protocol = fields.Value; break;
                case 6: text = trustDomain = Shared(fields.Content)!; break;
                case 7: text = account = Shared(fields.Content)!; break;
                case 9: text = node = Shared(fields.Content)!; break;
                case 10: text = canonicalName = Shared(fields.Content)!; break;
                case 11: text = canonicalRevision = Shared(fields.Content)!; break;
                case 12: type = fields.Value; break;
                case 13: text = workloadName = Shared(fields.Content)!; break;
                case 14: native = fields.Value; break;
                case 16:
                    text = Shared(fields.Content);
                    policies = text is null ? policies : policies.Add(text);
                    break;
                case 17: status = fields.Value; break;
                case 18: text = cluster = Shared(fields.Content)!; break;
                case 20: text = uid = Own(fields.Content)!; break;
                case 21: text = hostname = Shared(fields.Content)!; break;
                case 25: mode = fields.Value; break;
                case 8 or 19 or 24 or ServicesField: break;
                default: return null;
            }

            if (text is null)
            {
                return null;
            }
        }

        if (uid.Length == 0 || protocol > 1 || mode > 1 || status > 1 || type > 3 || native > 1)
        {
            return null;
        }

        return new Workload
        {
            Uid = uid,
            Name = name,
            Namespace = ns,
            TrustDomain = trustDomain.Length == 0 ? "cluster.local" : trustDomain,
            ServiceAccount = account.Length == 0 ? "default" : account,
            Addresses = addresses,
            Hostname = hostname,
            Network = network,
            Protocol = (TunnelProtocol)protocol,
            NetworkMode = (NetworkMode)mode,
            Node = node,
            WorkloadName = workloadName,
            WorkloadType = (WorkloadType)type,
            CanonicalName = canonicalName,
            CanonicalRevision = canonicalRevision,
            ClusterId = cluster.Length == 0 ? "Kubernetes" : cluster,
            Locality = locality ?? Locality.Empty,
            Status = (WorkloadStatus)status,
            NativeTunnel = native != 0,
            AuthorizationPolicies = policies,
            Waypoint = waypoint,
            NetworkGateway = gateway,
            Services = services ?? ImmutableDictionary<string, ImmutableArray<ServicePort>>.Empty,
        };
    }

    private static string? Own(ReadOnlySpan<byte> text) => Ascii.IsValid(text) ? Encoding.ASCII.GetString(text) : null;

    private string? Shared(ReadOnlySpan<byte> text) => strings.GetAscii(text);

    private ref struct Parts
    {
        public ReadOnlySpan<byte> Workload;
        public ReadOnlySpan<byte> Services;
        public ReadOnlySpan<byte> Locality;
        public ReadOnlySpan<byte> Waypoint;
        public ReadOnlySpan<byte> NetworkGateway;
    }
}
