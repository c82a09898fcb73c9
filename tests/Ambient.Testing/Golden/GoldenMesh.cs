using System.Collections.Immutable;
using System.Net;
using System.Text.Json;
using Ambient.Mesh;

namespace Ambient.Testing.Golden;

/// <summary>
/// Reads the workloads, services and policies that istiod sent (<c>address.json</c>, <c>authorization.json</c>: protobuf
/// JSON by resource name) as the mesh model. The other way to the same model is our own translation of
/// <c>input.yaml</c>; tests compare the two.
/// </summary>
public static class GoldenMesh
{
    /// <summary>The snapshot of a case folder.</summary>
    public static MeshSnapshot Load(string caseFolder)
    {
        var builder = new MeshSnapshotBuilder(MeshSnapshot.Empty);
        return builder.ReplaceAll(Workloads(caseFolder), Services(caseFolder), Policies(caseFolder)).Build();
    }

    /// <summary>The workloads of a case folder.</summary>
    public static IReadOnlyList<Workload> Workloads(string caseFolder) =>
        [.. Resources(caseFolder, "address.json").Where(resource => Has(resource, "workload")).Select(resource => Workload(resource.GetProperty("workload")))];

    /// <summary>The services of a case folder.</summary>
    public static IReadOnlyList<MeshService> Services(string caseFolder) =>
        [.. Resources(caseFolder, "address.json").Where(resource => Has(resource, "service")).Select(resource => Service(resource.GetProperty("service")))];

    /// <summary>The L4 policies of a case folder.</summary>
    public static IReadOnlyList<AuthorizationPolicy> Policies(string caseFolder) =>
        [.. Resources(caseFolder, "authorization.json").Select(Policy)];

    /// <summary>The questions of a case folder, one a line, with the line's number.</summary>
    public static IEnumerable<(int Line, JsonElement Question)> Questions(string caseFolder, string file)
    {
        var number = 0;
        foreach (var line in File.ReadLines(Path.Combine(caseFolder, file)))
        {
            number++;
            if (line.Length > 0)
            {
                using var document = JsonDocument.Parse(line);
                yield return (number, document.RootElement.Clone());
            }
        }
    }

    private static IEnumerable<JsonElement> Resources(string caseFolder, string file)
    {
        var path = Path.Combine(caseFolder, file);
        if (!File.Exists(path))
        {
            return [];
        }

        using var document = JsonDocument.Parse(File.ReadAllText(path));
        return [.. document.RootElement.EnumerateObject().Select(property => property.Value.Clone())];
    }

    private static Workload Workload(JsonElement json) => new()
    {
        Uid = Text(json, "uid"),
        Name = Text(json, "name"),
        Namespace = Text(json, "namespace"),
        Addresses = [.. Items(json, "addresses").Select(Address)],
        Hostname = Text(json, "hostname"),
        Network = Text(json, "network"),
        Protocol = Text(json, "tunnelProtocol") == "HBONE" ? TunnelProtocol.Hbone : TunnelProtocol.Tcp,
        TrustDomain = Text(json, "trustDomain", "cluster.local"),
        ServiceAccount = Text(json, "serviceAccount", "default"),
        Node = Text(json, "node"),
        CanonicalName = Text(json, "canonicalName"),
        CanonicalRevision = Text(json, "canonicalRevision"),
        WorkloadType = Enum.Parse<WorkloadType>(Text(json, "workloadType", "Deployment"), ignoreCase: true),
        WorkloadName = Text(json, "workloadName"),
        NativeTunnel = Flag(json, "nativeTunnel"),
        AuthorizationPolicies = [.. Items(json, "authorizationPolicies").Select(item => item.GetString()!)],
        Status = Text(json, "status") == "UNHEALTHY" ? WorkloadStatus.Unhealthy : WorkloadStatus.Healthy,
        ClusterId = Text(json, "clusterId", "Kubernetes"),
        Waypoint = Gateway(json, "waypoint"),
        NetworkGateway = Gateway(json, "networkGateway"),
        Services = Map(json, "services").ToImmutableDictionary(entry => entry.Name, entry => Ports(entry.Value)),
        ApplicationTunnel = json.TryGetProperty("applicationTunnel", out var tunnel)
            ? new ApplicationTunnel(Text(tunnel, "protocol") == "PROXY" ? ApplicationTunnelProtocol.Proxy : ApplicationTunnelProtocol.None, Number(tunnel, "port"))
            : null,
        Locality = json.TryGetProperty("locality", out var locality)
            ? new Locality(Text(locality, "region"), Text(locality, "zone"), Text(locality, "subzone"))
            : Locality.Empty,
        NetworkMode = Text(json, "networkMode") == "HOST_NETWORK" ? NetworkMode.HostNetwork : NetworkMode.Standard,
        Capacity = json.TryGetProperty("capacity", out var capacity) ? capacity.GetUInt32() : 1,
    };

    private static MeshService Service(JsonElement json) => new()
    {
        Name = Text(json, "name"),
        Namespace = Text(json, "namespace"),
        Hostname = Text(json, "hostname"),
        Vips = [.. Items(json, "addresses").Where(address => !Has(address, "length")).Select(NetworkAddressOf)],
        CidrVips = [.. Items(json, "addresses").Where(address => Has(address, "length"))
            .Select(address => new NetworkCidr(Text(address, "network"), Range(address)))],
        Ports = Ports(json),
        SubjectAltNames = [.. Items(json, "subjectAltNames").Select(item => item.GetString()!)],
        Waypoint = Gateway(json, "waypoint"),
        WeightedWaypoints = [.. Items(json, "weightedWaypoints")
            .Select(item => new WeightedWaypoint(Gateway(item, "destination")!, (uint)Number(item, "weight")))],
        LoadBalancing = json.TryGetProperty("loadBalancing", out var balancing) ? Balancing(balancing) : null,
        IPFamilies = Text(json, "ipFamilies") switch
        {
            "IPV4_ONLY" => IPFamilies.IPv4Only,
            "IPV6_ONLY" => IPFamilies.IPv6Only,
            "DUAL" => IPFamilies.Dual,
            _ => IPFamilies.Automatic,
        },
        Canonical = Flag(json, "canonical"),
        Visibility = Text(json, "visibility") == "NAMESPACE" ? ServiceVisibility.Namespace : ServiceVisibility.Public,
        IngressUseWaypoint = Flag(json, "ingressUseWaypoint"),
    };

    private static LoadBalancing Balancing(JsonElement json) => new(
        [.. Items(json, "routingPreference").Select(scope => Enum.Parse<LoadBalancingScope>(scope.GetString()!, ignoreCase: true))],
        Text(json, "mode") switch
        {
            "STRICT" => LoadBalancingMode.Strict,
            "FAILOVER" => LoadBalancingMode.Failover,
            "PASSTHROUGH" => LoadBalancingMode.Passthrough,
            _ => LoadBalancingMode.Standard,
        },
        Text(json, "healthPolicy") == "ALLOW_ALL" ? EndpointHealthPolicy.AllowAll : EndpointHealthPolicy.OnlyHealthy);

    private static AuthorizationPolicy Policy(JsonElement json) => new()
    {
        Name = Text(json, "name"),
        Namespace = Text(json, "namespace"),
        Scope = Text(json, "scope") switch
        {
            "NAMESPACE" => PolicyScope.Namespace,
            "WORKLOAD_SELECTOR" => PolicyScope.WorkloadSelector,
            _ => PolicyScope.Global,
        },
        Action = Text(json, "action") == "DENY" ? PolicyAction.Deny : PolicyAction.Allow,
        DryRun = Flag(json, "dryRun"),
        Rules = [.. Items(json, "groups").Select(group => new PolicyRule(
            [.. Items(group, "rules").Select(rule => new PolicyClause([.. Items(rule, "matches").Select(Match)]))]))],
    };

    private static PolicyMatch Match(JsonElement json) => new()
    {
        Namespaces = Strings(json, "namespaces"),
        NotNamespaces = Strings(json, "notNamespaces"),
        Principals = Strings(json, "principals"),
        NotPrincipals = Strings(json, "notPrincipals"),
        ServiceAccounts = Accounts(json, "serviceAccounts"),
        NotServiceAccounts = Accounts(json, "notServiceAccounts"),
        SourceIPs = [.. Items(json, "sourceIps").Select(Range)],
        NotSourceIPs = [.. Items(json, "notSourceIps").Select(Range)],
        DestinationIPs = [.. Items(json, "destinationIps").Select(Range)],
        NotDestinationIPs = [.. Items(json, "notDestinationIps").Select(Range)],
        DestinationPorts = [.. Items(json, "destinationPorts").Select(port => port.GetInt32())],
        NotDestinationPorts = [.. Items(json, "notDestinationPorts").Select(port => port.GetInt32())],
    };

    private static ImmutableArray<StringMatch> Strings(JsonElement json, string name) =>
        [.. Items(json, name).Select(item =>
            item.TryGetProperty("exact", out var exact) ? new StringMatch(StringMatchKind.Exact, exact.GetString()!)
            : item.TryGetProperty("prefix", out var prefix) ? new StringMatch(StringMatchKind.Prefix, prefix.GetString()!)
            : item.TryGetProperty("suffix", out var suffix) ? new StringMatch(StringMatchKind.Suffix, suffix.GetString()!)
            : new StringMatch(StringMatchKind.Presence, ""))];

    private static ImmutableArray<ServiceAccountMatch> Accounts(JsonElement json, string name) =>
        [.. Items(json, name).Select(item => new ServiceAccountMatch(Text(item, "namespace"), Text(item, "serviceAccount")))];

    private static ImmutableArray<ServicePort> Ports(JsonElement json) =>
        [.. Items(json, "ports").Select(port => new ServicePort(
            Number(port, "servicePort"),
            Number(port, "targetPort"),
            Enum.Parse<AppProtocol>(Text(port, "appProtocol", "Unknown"), ignoreCase: true)))];

    private static GatewayAddress? Gateway(JsonElement json, string name)
    {
        if (!json.TryGetProperty(name, out var gateway))
        {
            return null;
        }

        var port = Number(gateway, "hboneMtlsPort");
        return gateway.TryGetProperty("hostname", out var hostname)
            ? GatewayAddress.ByHostname(Text(hostname, "namespace"), Text(hostname, "hostname"), port)
            : GatewayAddress.ByAddress(NetworkAddressOf(gateway.GetProperty("address")), port);
    }

    private static NetworkAddress NetworkAddressOf(JsonElement json) => new(Text(json, "network"), Address(json.GetProperty("address")));

    private static IPAddress Address(JsonElement json) => new(json.GetBytesFromBase64());

    private static IPNetwork Range(JsonElement json)
    {
        var bytes = json.GetProperty("address").GetBytesFromBase64();
        var length = Number(json, "length");
        for (var bit = length; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        }

        return new IPNetwork(new IPAddress(bytes), length);
    }

    private static bool Has(JsonElement json, string name) => json.TryGetProperty(name, out _);

    private static string Text(JsonElement json, string name, string absent = "") =>
        json.TryGetProperty(name, out var value) ? value.GetString() ?? absent : absent;

    private static bool Flag(JsonElement json, string name) => json.TryGetProperty(name, out var value) && value.GetBoolean();

    private static int Number(JsonElement json, string name) => json.TryGetProperty(name, out var value) ? value.GetInt32() : 0;

    private static JsonElement.ArrayEnumerator Items(JsonElement json, string name) =>
        json.TryGetProperty(name, out var value) ? value.EnumerateArray() : default;

    private static JsonElement.ObjectEnumerator Map(JsonElement json, string name) =>
        json.TryGetProperty(name, out var value) ? value.EnumerateObject() : default;
}
