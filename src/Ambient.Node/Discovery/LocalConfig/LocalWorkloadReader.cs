using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;

namespace Ambient.Node.Discovery.LocalConfig;

/// <summary>Reads the workloads of the local format.</summary>
/// <param name="trustDomain">
/// Trust domain of those that name none. Without one there would be no SPIFFE ID that a peer could show or be asked for (SPIFFE-ID 2.1).
/// </param>
internal sealed class LocalWorkloadReader(string trustDomain)
{
    private static readonly ImmutableDictionary<string, ImmutableArray<ServicePort>> NoServices =
        ImmutableDictionary.Create<string, ImmutableArray<ServicePort>>(StringComparer.Ordinal);

    // The same few names recur in every one of 100,000 workloads; each is kept once.
    private readonly Dictionary<string, string> _names = new(StringComparer.Ordinal);

    public Workload Read(FieldReader fields)
    {
        fields.RejectUnknown(
            "uid", "name", "namespace", "serviceAccount", "trustDomain", "network", "workloadIps", "protocol", "networkMode",
            "hostname", "node", "workloadName", "workloadType", "canonicalName", "canonicalRevision", "clusterId", "locality",
            "status", "nativeTunnel", "applicationTunnel", "authorizationPolicies", "waypoint", "networkGateway", "capacity", "services");
        var ns = Shared(fields.RequiredString("namespace"));
        var name = fields.String("name") ?? "";
        var uid = fields.String("uid") ?? "";
        fields.Errors.Subject = $"workload {(uid.Length > 0 ? uid : $"{ns}/{name}")}";
        return new Workload
        {
            Uid = uid,
            Name = name,
            Namespace = ns,
            ServiceAccount = Shared(fields.String("serviceAccount")),
            TrustDomain = fields.String("trustDomain") is { Length: > 0 } named ? Shared(named) : trustDomain,
            Network = Shared(fields.String("network")),
            Addresses = ReadAddresses(fields),
            Protocol = fields.OneOf("protocol", "TCP", "HBONE") == "HBONE" ? TunnelProtocol.Hbone : TunnelProtocol.Tcp,
            NetworkMode = fields.OneOf("networkMode", "Standard", "HostNetwork") == "HostNetwork" ? NetworkMode.HostNetwork : NetworkMode.Standard,
            Hostname = fields.String("hostname") ?? "",
            Node = Shared(fields.String("node")),
            WorkloadName = Shared(fields.String("workloadName")),
            WorkloadType = ReadType(fields),
            CanonicalName = Shared(fields.String("canonicalName")),
            CanonicalRevision = Shared(fields.String("canonicalRevision")),
            ClusterId = Shared(fields.String("clusterId")),
            Locality = ReadLocality(fields),
            Status = fields.OneOf("status", "Healthy", "Unhealthy") == "Unhealthy" ? WorkloadStatus.Unhealthy : WorkloadStatus.Healthy,
            NativeTunnel = fields.Boolean("nativeTunnel") ?? false,
            ApplicationTunnel = ReadTunnel(fields),
            AuthorizationPolicies = [.. fields.Strings("authorizationPolicies").Select(Shared)],
            Waypoint = LocalDestinations.ReadGateway(fields, "waypoint"),
            NetworkGateway = LocalDestinations.ReadGateway(fields, "networkGateway"),
            Capacity = (uint)(fields.Integer("capacity", 0, int.MaxValue) ?? 1),
            Services = ReadServices(fields),
        };
    }

    /// <summary>A map from service port to port of the workload.</summary>
    internal static ImmutableArray<ServicePort> ReadPorts(FieldReader fields, string field)
    {
        if (fields.Object(field) is not { } map)
        {
            return [];
        }

        var ports = ImmutableArray.CreateBuilder<ServicePort>();
        foreach (var key in map.Names)
        {
            if (!ushort.TryParse(key.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var port))
            {
                map.Error(key.Value, $"\"{key.Value}\" is not a port");
                continue;
            }

            ports.Add(new ServicePort(port, map.Integer(key.Value, 0, 65535) ?? 0));
        }

        return ports.ToImmutable();
    }

    private static ImmutableArray<IPAddress> ReadAddresses(FieldReader fields)
    {
        var texts = fields.Strings("workloadIps");
        var addresses = ImmutableArray.CreateBuilder<IPAddress>(texts.Count);
        for (var i = 0; i < texts.Count; i++)
        {
            if (IPText.TryParseAddress(texts[i], out var address))
            {
                addresses.Add(address);
            }
            else
            {
                fields.Error("workloadIps", i, $"\"{texts[i]}\" is not an IP address");
            }
        }

        return addresses.ToImmutable();
    }

    private static WorkloadType ReadType(FieldReader fields) =>
        fields.OneOf("workloadType", "deployment", "cronjob", "pod", "job", "Deployment", "CronJob", "Pod", "Job")?.ToUpperInvariant() switch
        {
            "CRONJOB" => WorkloadType.CronJob,
            "POD" => WorkloadType.Pod,
            "JOB" => WorkloadType.Job,
            _ => WorkloadType.Deployment,
        };

    private Locality ReadLocality(FieldReader fields)
    {
        if (fields.Object("locality") is not { } locality)
        {
            return Locality.Empty;
        }

        locality.RejectUnknown("region", "zone", "subzone");
        return new Locality(Shared(locality.String("region")), Shared(locality.String("zone")), Shared(locality.String("subzone")));
    }

    private static ApplicationTunnel? ReadTunnel(FieldReader fields)
    {
        if (fields.Object("applicationTunnel") is not { } tunnel)
        {
            return null;
        }

        tunnel.RejectUnknown("protocol", "port");
        var protocol = tunnel.OneOf("protocol", "NONE", "PROXY") == "PROXY" ? ApplicationTunnelProtocol.Proxy : ApplicationTunnelProtocol.None;
        return new ApplicationTunnel(protocol, tunnel.Integer("port", 0, 65535) ?? 0);
    }

    private ImmutableDictionary<string, ImmutableArray<ServicePort>> ReadServices(FieldReader fields)
    {
        if (fields.Object("services") is not { IsEmpty: false } services)
        {
            return NoServices;
        }

        var backed = NoServices.ToBuilder();
        foreach (var key in services.Names)
        {
            if (!key.Value.Contains('/', StringComparison.Ordinal))
            {
                services.Error(key.Value, $"\"{key.Value}\": expected namespace/hostname");
            }

            backed[Shared(key.Value)] = ReadPorts(services, key.Value);
        }

        return backed.ToImmutable();
    }

    private string Shared(string? name)
    {
        if (string.IsNullOrEmpty(name))
        {
            return "";
        }

        if (_names.TryGetValue(name, out var known))
        {
            return known;
        }

        _names.Add(name, name);
        return name;
    }
}
