using System.Collections.Immutable;
using System.Net;
using System.Text;
using Ambient.Mesh;

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
    private readonly BytesPool<Locality> _localities = new();
    private readonly BytesPool<GatewayAddress> _gateways = new();

    /// <summary>The workload of an Address message; null when it is to be read by the others.</summary>
    public Workload? Read(ReadOnlySpan<byte> address)
    {
        try
        {
            return TryOpen(address, out var workload) ? ReadContent(workload) : null;
        }
        catch (InvalidDataException)
        {
            // Broken bytes: the others say in which way.
            return null;
        }
    }

    /// <summary>Remembers the parts of a message that the others have read.</summary>
    public void Learn(ReadOnlySpan<byte> address, Workload workload)
    {
        try
        {
            if (TryOpen(address, out var content) && TryFind(content, out var parts))
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

    /// <summary>Finds the workload in its envelope; false when there is more than that.</summary>
    private static bool TryOpen(ReadOnlySpan<byte> address, out ReadOnlySpan<byte> workload)
    {
        workload = default;
        var envelope = new WireFields(address);
        if (!envelope.MoveNext() || envelope.Number != WorkloadField || !envelope.IsText)
        {
            return false;
        }

        workload = envelope.Content;
        return !envelope.MoveNext();
    }

    private static bool TryFind(ReadOnlySpan<byte> workload, out Parts parts)
    {
        parts = default;
        var fields = new WireFields(workload);
        while (fields.MoveNext())
        {
            if (fields.IsText && !parts.Take(fields.Number, fields.Content))
            {
                return false;
            }
        }

        return true;
    }

    private Workload? ReadContent(ReadOnlySpan<byte> content)
    {
        string uid = "", name = "", ns = "", trustDomain = "", account = "", hostname = "", network = "", node = "", workloadName = "";
        string canonicalName = "", canonicalRevision = "", cluster = "";
        ulong protocol = 0, mode = 0, type = 0, status = 0, native = 0;
        ImmutableArray<IPAddress> addresses = [];
        ImmutableArray<string> policies = [];
        var parts = default(Parts);
        var (servicesFrom, servicesTo) = (0, 0);
        var fields = new WireFields(content);
        for (var before = 0; fields.MoveNext(); before = fields.Position)
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
                case ServicesField when servicesTo == 0: (servicesFrom, servicesTo) = (before, fields.Position); break;
                case ServicesField when servicesTo == before: servicesTo = fields.Position; break;
                case 8 or 19 or 24 when parts.Take(fields.Number, fields.Content): break;
                default: return null;
            }

            if (text is null)
            {
                return null;
            }
        }

        if (uid.Length == 0 || protocol > 1 || mode > 1 || status > 1 || type > 3 || native > 1
            || !Known(_localities, parts.Locality, out var locality)
            || !Known(_gateways, parts.Waypoint, out var waypoint)
            || !Known(_gateways, parts.NetworkGateway, out var gateway)
            || maps.Get(content[servicesFrom..servicesTo]) is not { } services)
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
            Services = services,
        };
    }

    private static string? Own(ReadOnlySpan<byte> text) => Ascii.IsValid(text) ? Encoding.ASCII.GetString(text) : null;

    private string? Shared(ReadOnlySpan<byte> text) => strings.GetAscii(text);

    /// <summary>The messages in a workload.</summary>
    private ref struct Parts
    {
        public ReadOnlySpan<byte> Locality;
        public ReadOnlySpan<byte> Waypoint;
        public ReadOnlySpan<byte> NetworkGateway;

        /// <summary>Takes a field that may be one of them. False: it is there twice, and would have to be merged, or it is empty, which is not the same as absent.</summary>
        public bool Take(int number, ReadOnlySpan<byte> content)
        {
            switch (number)
            {
                case 8:
                    return Once(ref Waypoint, content);
                case 19:
                    return Once(ref NetworkGateway, content);
                case 24:
                    return Once(ref Locality, content);
                default:
                    return true;
            }
        }

        private static bool Once(ref ReadOnlySpan<byte> part, ReadOnlySpan<byte> content)
        {
            if (!part.IsEmpty || content.IsEmpty)
            {
                return false;
            }

            part = content;
            return true;
        }
    }
}
