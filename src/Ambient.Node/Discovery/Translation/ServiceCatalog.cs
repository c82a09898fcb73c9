using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Ambient.Mesh;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>A service with what binding workloads to it needs.</summary>
/// <param name="Service">The service as the mesh knows it.</param>
/// <param name="Meta">Metadata of the Service or ServiceEntry.</param>
/// <param name="IsServiceEntry">Whether it comes from a ServiceEntry.</param>
/// <param name="Selector">Labels of the workloads behind it; null or empty selects none.</param>
/// <param name="Ports">Ports with their names.</param>
internal sealed record CatalogService(
    MeshService Service, ObjectMeta Meta, bool IsServiceEntry, IReadOnlyDictionary<string, string>? Selector, IReadOnlyList<ServicePortSpec> Ports);

/// <summary>Services and ServiceEntries as mesh services, one for each hostname and namespace.</summary>
internal sealed class ServiceCatalog
{
    private readonly Dictionary<string, CatalogService> _byKey = new(StringComparer.Ordinal);
    private readonly ILookup<string, CatalogService> _byNamespace;
    private readonly ILookup<string, CatalogService> _byEntry;
    private readonly KubernetesObjects _objects;
    private readonly TranslationMemory _memory;
    private readonly WaypointCatalog _waypoints;
    private readonly TranslationOptions _options;
    private readonly ExternalNames _names;

    public ServiceCatalog(KubernetesObjects objects, WaypointCatalog waypoints, TranslationOptions options, TranslationMemory memory)
    {
        _objects = objects;
        _memory = memory;
        _waypoints = waypoints;
        _options = options;
        _names = new ExternalNames(objects, options);
        var candidates = objects.Services.Values.Where(service => !service.IsExternalName && SeenBy(service) is not null).Select(FromService)
            .Concat(objects.ServiceEntries.Values.Where(entry => SeenBy(entry) is not null).SelectMany(FromServiceEntry));
        foreach (var sameHost in candidates.GroupBy(candidate => candidate.Service.Hostname, StringComparer.Ordinal))
        {
            AddBest(sameHost);
        }

        _byNamespace = _byKey.Values.ToLookup(service => service.Service.Namespace, StringComparer.Ordinal);
        _byEntry = _byKey.Values.Where(service => service.IsServiceEntry).ToLookup(service => service.Meta.Key, StringComparer.Ordinal);
    }

    /// <summary>All services.</summary>
    public IReadOnlyCollection<CatalogService> All => _byKey.Values;

    /// <summary>Services of a namespace.</summary>
    public IEnumerable<CatalogService> Of(string ns) => _byNamespace[ns];

    /// <summary>Services of a namespace that select workloads with these labels.</summary>
    public IEnumerable<CatalogService> Selecting(string ns, IReadOnlyDictionary<string, string> labels) =>
        _byNamespace[ns].Where(service => service.Selector is { } selector && LabelSelection.SelectsNonEmpty(selector, labels));

    /// <summary>The services that a ServiceEntry became; none when others won its hosts.</summary>
    public IEnumerable<CatalogService> OfServiceEntry(string key) => _byEntry[key];

    /// <summary>The Kubernetes Service of that name, or null.</summary>
    public CatalogService? OfKubernetes(string ns, string name) =>
        _byKey.GetValueOrDefault($"{ns}/{Hostname(ns, name)}") is { IsServiceEntry: false } service ? service : null;

    private string Hostname(string ns, string name) => $"{name}.{ns}.svc.{_options.ClusterDomain}";

    /// <summary>Of one hostname: a Kubernetes Service goes before entries, the older before the newer, in each namespace; one of all is canonical.</summary>
    private void AddBest(IEnumerable<CatalogService> sameHost)
    {
        CatalogService? canonical = null;
        foreach (var sameNamespace in sameHost.GroupBy(service => service.Service.Namespace, StringComparer.Ordinal).OrderBy(group => group.Key, StringComparer.Ordinal))
        {
            var best = sameNamespace.Aggregate(Better);
            _byKey[best.Service.Key] = best;
            canonical = canonical is null ? best : Better(canonical, best);
        }

        if (canonical is not null)
        {
            _byKey[canonical.Service.Key] = _memory.Keep(
                "canonical service", canonical.Service.Key, [canonical], () => canonical with { Service = canonical.Service with { Canonical = true } });
        }
    }

    private static CatalogService Better(CatalogService first, CatalogService second) =>
        first.IsServiceEntry && (!second.IsServiceEntry || second.Meta.CreationTime < first.Meta.CreationTime) ? second : first;

    /// <summary>Which clients see a service; null: none.</summary>
    private (ServiceVisibility Visibility, ImmutableArray<string> Namespaces)? SeenBy(ServiceObject service) => ExportTo.Of(
        service.Meta.Annotation(WellKnown.ExportTo)?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [], _options.Exports.Services, service.Meta);

    private (ServiceVisibility Visibility, ImmutableArray<string> Namespaces)? SeenBy(ServiceEntryObject entry) => ExportTo.Of(entry.ExportTo, _options.Exports.Services, entry.Meta);

    private CatalogService FromService(ServiceObject service)
    {
        var around = SurroundingsOf(service.Meta, Hostname(service.Meta.Namespace, service.Meta.Name));
        return _memory.Keep("service", $"Service {service.Meta.Key}", [service, around], () => FromService(service, around));
    }

    private CatalogService FromService(ServiceObject service, Surroundings around)
    {
        var meta = service.Meta;
        var seen = SeenBy(service)!.Value;
        var balancing = service.NodeLocal
            ? new LoadBalancing([LoadBalancingScope.Node], LoadBalancingMode.Strict, EndpointHealthPolicy.OnlyHealthy)
            : TrafficDistribution(service.TrafficDistribution, meta, around);
        if (service.PublishNotReadyAddresses)
        {
            balancing = (balancing ?? new LoadBalancing([], LoadBalancingMode.Standard, default)) with { HealthPolicy = EndpointHealthPolicy.AllowAll };
        }

        var mesh = new MeshService
        {
            Name = meta.Name,
            Namespace = meta.Namespace,
            Hostname = Hostname(meta.Namespace, meta.Name),
            Aliases = around.Aliases,
            Vips = [.. service.ClusterIPs.Select(ip => new NetworkAddress(_options.Network, ip))],
            Ports = MeshPorts(service.Ports),
            Waypoint = around.Waypoint,
            WeightedWaypoints = around.WeightedWaypoints,
            IngressUseWaypoint = around.IngressUseWaypoint,
            SkipsIdleWaypoint = meta.Label(WellKnown.SkipIdleWaypoint) == "true",
            LoadBalancing = balancing,
            IPFamilies = service.IPFamilies,
            Visibility = seen.Visibility,
            ExportedTo = seen.Namespaces,
        };
        return new CatalogService(mesh, meta, IsServiceEntry: false, service.Selector, service.Ports);
    }

    private IEnumerable<CatalogService> FromServiceEntry(ServiceEntryObject entry)
    {
        foreach (var host in entry.Hosts.Distinct(StringComparer.Ordinal))
        {
            var around = SurroundingsOf(entry.Meta, host);
            yield return _memory.Keep("service", $"ServiceEntry {entry.Meta.Key} {host}", [entry, around], () => FromServiceEntry(entry, host, around));
        }
    }

    private CatalogService FromServiceEntry(ServiceEntryObject entry, string host, Surroundings around)
    {
        var meta = entry.Meta;
        var seen = SeenBy(entry)!.Value;
        var ranges = entry.Addresses.Count > 0 ? entry.Addresses : Allocated(entry, host);
        var mesh = new MeshService
        {
            Name = meta.Name,
            Namespace = meta.Namespace,
            Hostname = host,
            Aliases = around.Aliases,
            Vips = [.. ranges.Where(IsSingle).Select(range => new NetworkAddress(_options.Network, range.BaseAddress))],
            CidrVips = [.. ranges.Where(range => !IsSingle(range)).Select(range => new NetworkCidr(_options.Network, range))],
            Ports = MeshPorts(entry.Ports),
            SubjectAltNames = [.. entry.SubjectAltNames],
            Waypoint = around.Waypoint,
            WeightedWaypoints = around.WeightedWaypoints,
            IngressUseWaypoint = around.IngressUseWaypoint,
            SkipsIdleWaypoint = meta.Label(WellKnown.SkipIdleWaypoint) == "true",
            LoadBalancing = entry.Resolution == ServiceEntryResolution.None
                ? new LoadBalancing([], LoadBalancingMode.Passthrough, EndpointHealthPolicy.AllowAll)
                : TrafficDistribution(null, meta, around),
            IsOfManyNames = entry.Resolution == ServiceEntryResolution.DynamicDns && host.StartsWith("*.", StringComparison.Ordinal),
            Visibility = seen.Visibility,
            ExportedTo = seen.Namespaces,
        };
        return new CatalogService(mesh, meta, IsServiceEntry: true, entry.WorkloadSelector, entry.Ports);
    }

    private Surroundings SurroundingsOf(ObjectMeta meta, string hostname)
    {
        var waypoint = _waypoints.OfService(meta);
        return new Surroundings(
            waypoint?.Address,
            _waypoints.WeightedOf(meta, waypoint),
            _waypoints.IngressUsesWaypoint(meta, waypoint),
            _names.Of(hostname),
            _objects.Namespaces.GetValueOrDefault(meta.Namespace)?.Meta.Annotation(WellKnown.TrafficDistribution));
    }

    private static IReadOnlyList<IPNetwork> Allocated(ServiceEntryObject entry, string host)
    {
        // An allocated address is only worth something where the mesh knows where its connections are to go.
        var usable = entry.Resolution != ServiceEntryResolution.None
            && (!host.StartsWith('*') || entry.Resolution == ServiceEntryResolution.DynamicDns)
            && !string.Equals(entry.Meta.Label(WellKnown.EnableAutoallocateIp), "false", StringComparison.OrdinalIgnoreCase);
        return usable
            ? [.. entry.AllocatedAddresses[host].Select(ip => new IPNetwork(ip, ip.AddressFamily == AddressFamily.InterNetwork ? 32 : 128))]
            : [];
    }

    private static bool IsSingle(IPNetwork range) =>
        range.PrefixLength == (range.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? 32 : 128);

    private static ImmutableArray<ServicePort> MeshPorts(IReadOnlyList<ServicePortSpec> ports) =>
        [.. ports.Select(port => new ServicePort(port.Port, port.TargetPort, port.Protocol))];

    /// <summary>From the field, else the object's annotation, else the namespace's.</summary>
    private static LoadBalancing? TrafficDistribution(string? field, ObjectMeta meta, Surroundings around)
    {
        if (field is "PreferClose" or "PreferSameZone" or "PreferSameNode")
        {
            return Preference(field);
        }

        var annotation = meta.Annotation(WellKnown.TrafficDistribution);
        if (string.IsNullOrEmpty(annotation))
        {
            annotation = around.NamespaceDistribution;
        }

        return Preference(annotation);
    }

    private static LoadBalancing? Preference(string? distribution) => distribution?.ToUpperInvariant() switch
    {
        "PREFERCLOSE" or "PREFERSAMEZONE" => new LoadBalancing(
            [LoadBalancingScope.Network, LoadBalancingScope.Region, LoadBalancingScope.Zone],
            LoadBalancingMode.Failover,
            EndpointHealthPolicy.OnlyHealthy),
        "PREFERSAMENODE" => new LoadBalancing(
            [LoadBalancingScope.Network, LoadBalancingScope.Region, LoadBalancingScope.Zone, LoadBalancingScope.Subzone, LoadBalancingScope.Node],
            LoadBalancingMode.Failover,
            EndpointHealthPolicy.OnlyHealthy),
        _ => null,
    };

    /// <summary>What a service takes from other objects than its own.</summary>
    private sealed record Surroundings(
        GatewayAddress? Waypoint,
        ImmutableArray<WeightedWaypoint> WeightedWaypoints,
        bool IngressUseWaypoint,
        ImmutableArray<string> Aliases,
        string? NamespaceDistribution)
    {
        public bool Equals(Surroundings? other) =>
            other is not null
            && Waypoint == other.Waypoint
            && WeightedWaypoints.AsSpan().SequenceEqual(other.WeightedWaypoints.AsSpan())
            && IngressUseWaypoint == other.IngressUseWaypoint
            && Aliases.AsSpan().SequenceEqual(other.Aliases.AsSpan())
            && NamespaceDistribution == other.NamespaceDistribution;

        public override int GetHashCode() => HashCode.Combine(Waypoint, WeightedWaypoints.Length, IngressUseWaypoint, Aliases.Length, NamespaceDistribution);
    }
}
