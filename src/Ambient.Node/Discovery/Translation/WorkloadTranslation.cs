using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>Pods, WorkloadEntries, endpoints of ServiceEntries and bare endpoints as workloads.</summary>
internal sealed class WorkloadTranslation(
    KubernetesObjects objects, ServiceCatalog services, NamespaceScopes scopes, TranslationOptions options, TranslationMemory memory)
{
    private static readonly ImmutableArray<EndpointShare> s_unready = [new EndpointShare(0, null) { IsHealthy = false }];

    private readonly List<Workload> _workloads = [];
    private readonly ILookup<string, (EndpointSliceObject Slice, SliceEndpoint Endpoint)> _slicesByPod = objects.EndpointSlices.Values
        .Where(slice => !slice.IsFqdn && slice.Meta.Label(WellKnown.ServiceName) is not null)
        .SelectMany(slice => slice.Endpoints, (slice, endpoint) => (slice, endpoint))
        .Where(entry => entry.endpoint.Pod is not null)
        .ToLookup(entry => entry.endpoint.Pod!, StringComparer.Ordinal);

    /// <summary>Makes the workloads.</summary>
    public IReadOnlyList<Workload> Translate()
    {
        foreach (var pod in objects.Pods.Values)
        {
            // A pod that has ended, or has no address yet, cannot be reached.
            if (!pod.Ended && pod.Addresses.Count > 0)
            {
                _workloads.Add(Translated(pod));
            }
        }

        foreach (var entry in objects.WorkloadEntries.Values)
        {
            var scope = scopes.Of(entry.Meta.ToString(), entry, entry.Meta);
            _workloads.Add(memory.Keep("workload", entry.Meta.ToString(), [entry, scope], () => FromWorkloadEntry(entry, scope)));
        }

        foreach (var entry in objects.ServiceEntries.Values)
        {
            AddEndpointsOf(entry);
        }

        foreach (var slice in objects.EndpointSlices.Values)
        {
            AddBareEndpointsOf(slice);
        }

        return _workloads;
    }

    private Workload Translated(PodObject pod)
    {
        var scope = scopes.Of(pod.Meta.ToString(), pod, pod.Meta);
        var ns = objects.Namespaces.GetValueOrDefault(pod.Meta.Namespace);
        var locality = LocalityOfNode(pod.NodeName);
        var named = _slicesByPod[pod.Meta.Key]
            .Where(entry => entry.Endpoint.PodUid.Length == 0 || pod.Uid.Length == 0 || entry.Endpoint.PodUid == pod.Uid)
            .Select(entry => (Service: services.OfKubernetes(entry.Slice.Meta.Namespace, entry.Slice.Meta.Label(WellKnown.ServiceName)!), entry.Endpoint.Ready))
            .Where(static entry => entry.Service is not null)
            .ToArray();
        CatalogService[] sliced = [.. named.Select(static entry => entry.Service!)];
        var unready = Unready(named);
        return memory.Keep("workload", pod.Meta.ToString(), [pod, scope, ns, locality, .. sliced, .. unready], () => FromPod(pod, scope, ns, locality, sliced, unready));
    }

    /// <summary>Keys of services whose slices name a pod and have it ready nowhere, but for those that want pods in any case.</summary>
    private static string[] Unready((CatalogService? Service, bool Ready)[] named) => named.All(static entry => entry.Ready) ? [] :
    [
        .. named.GroupBy(static entry => entry.Service!.Service.Key)
            .Where(static entries => !entries.Any(static entry => entry.Ready) && entries.First().Service!.Service.LoadBalancing?.HealthPolicy != EndpointHealthPolicy.AllowAll)
            .Select(static entries => entries.Key),
    ];

    private Workload FromPod(PodObject pod, LabelScope scope, NamespaceObject? ns, Locality locality, CatalogService[] sliced, string[] unready)
    {
        var meta = pod.Meta;
        var name = WorkloadNames.OfPod(pod);
        var (canonicalName, canonicalRevision) = WorkloadNames.Canonical(meta, name);
        var native = Enrolment.HasNativeTunnel(meta);
        var captured = Enrolment.IsCaptured(pod, ns);
        return new Workload
        {
            Uid = $"{options.ClusterId}//Pod/{meta.Namespace}/{meta.Name}",
            Name = meta.Name,
            Namespace = meta.Namespace,
            TrustDomain = options.TrustDomain,
            ServiceAccount = pod.ServiceAccount,
            Addresses = [.. pod.Addresses],
            Network = options.Network,
            Protocol = captured || native ? TunnelProtocol.Hbone : TunnelProtocol.Tcp,
            NativeTunnel = native,
            NetworkMode = pod.HostNetwork ? NetworkMode.HostNetwork : NetworkMode.Standard,
            Node = pod.NodeName,
            WorkloadName = name,
            WorkloadType = WorkloadType.Pod,
            CanonicalName = canonicalName,
            CanonicalRevision = canonicalRevision,
            ClusterId = options.ClusterId,
            Locality = locality,
            Status = pod.Ready ? WorkloadStatus.Healthy : WorkloadStatus.Unhealthy,
            ApplicationTunnel = scope.InboundBinding,
            Waypoint = scope.Waypoint,
            AuthorizationPolicies = scope.Policies,
            Services = ServicesOf(pod, scope, sliced),

            // Whether the pod is ready it says itself; whether it takes a service's requests, the service's slices.
            Shares = unready is [] ? ImmutableDictionary<string, ImmutableArray<EndpointShare>>.Empty
                : unready.ToImmutableDictionary(static service => service, static _ => s_unready, StringComparer.Ordinal),
        };
    }

    private static ImmutableDictionary<string, ImmutableArray<ServicePort>> ServicesOf(PodObject pod, LabelScope scope, CatalogService[] sliced)
    {
        var backed = ImmutableDictionary.CreateBuilder<string, ImmutableArray<ServicePort>>(StringComparer.Ordinal);
        foreach (var service in scope.Services)
        {
            backed[service.Service.Key] = PortsOf(pod, service);
        }

        // Services without selectors, by the slices that name this pod.
        foreach (var service in sliced)
        {
            backed.TryAdd(service.Service.Key, PortsOf(pod, service));
        }

        return backed.ToImmutable();
    }

    private static ImmutableArray<ServicePort> PortsOf(PodObject pod, CatalogService service)
    {
        var ports = ImmutableArray.CreateBuilder<ServicePort>(service.Ports.Count);
        foreach (var port in service.Ports)
        {
            // A Service names a container port explicitly; a ServiceEntry's port goes to the container port of its own name.
            var sought = service.IsServiceEntry ? port.Name : port.TargetPortName;
            var declared = sought.Length == 0 ? null : ContainerPortOf(pod, sought);
            if (declared is null && !service.IsServiceEntry && sought.Length > 0)
            {
                continue; // this pod does not have the port; others may
            }

            ports.Add(new ServicePort(port.Port, declared ?? port.TargetPort));
        }

        return ports.ToImmutable();
    }

    private static int? ContainerPortOf(PodObject pod, string name)
    {
        foreach (var port in pod.Ports)
        {
            if (port.IsTcp && port.Name == name)
            {
                return port.Port;
            }
        }

        return null;
    }

    private Workload FromWorkloadEntry(WorkloadEntryObject entry, LabelScope scope)
    {
        var meta = entry.Meta;
        var name = meta.Annotation(WellKnown.AutoRegistrationGroup) ?? meta.Label(WellKnown.WorkloadName) ?? meta.Name;
        return FromEntry(entry, $"networking.istio.io/WorkloadEntry/{meta.Namespace}/{meta.Name}", meta, name, scope, scope.Services) with
        {
            ApplicationTunnel = scope.InboundBinding,
            Waypoint = scope.Waypoint,
        };
    }

    private void AddEndpointsOf(ServiceEntryObject entry)
    {
        var meta = entry.Meta;
        var own = services.OfServiceEntry(meta.Key).ToList();
        var scope = scopes.Of(meta.ToString(), entry, meta);
        foreach (var endpoint in entry.Endpoints)
        {
            if (own.Count > 0)
            {
                // Identity and policies follow the entry's labels, the waypoint follows the endpoint's own.
                var uid = $"networking.istio.io/ServiceEntry/{meta.Namespace}/{meta.Name}/{endpoint.Address}";
                var ofEndpoint = scopes.Of(uid, endpoint, meta with { Labels = endpoint.Meta.Labels });
                AddOnce(memory.Keep("workload", uid, [entry, endpoint, scope, ofEndpoint, .. own], () => FromEntry(endpoint, uid, meta, meta.Name, scope, own) with
                {
                    ApplicationTunnel = ofEndpoint.InboundBinding,
                    Waypoint = ofEndpoint.Waypoint,
                }));
            }
        }

        var resolvesHosts = entry.Resolution is ServiceEntryResolution.Dns or ServiceEntryResolution.DnsRoundRobin or ServiceEntryResolution.DynamicDns;
        if (entry.Endpoints.Count == 0 && entry.WorkloadSelector is null && resolvesHosts)
        {
            foreach (var service in own)
            {
                var host = service.Service.Hostname;
                var uid = $"networking.istio.io/ServiceEntry/{meta.Namespace}/{meta.Name}/{host}";
                AddOnce(memory.Keep(
                    "workload", uid, [entry, service, scope], () => FromEntry(new WorkloadEntryObject(meta) { Address = host }, uid, meta, meta.Name, scope, [service])));
            }
        }
    }

    private Workload FromEntry(
        WorkloadEntryObject entry, string uid, ObjectMeta meta, string workloadName, LabelScope scope, IEnumerable<CatalogService> backing)
    {
        var (canonicalName, canonicalRevision) = WorkloadNames.Canonical(meta, workloadName);
        var isAddress = IPText.TryParseAddress(entry.Address, out var address);
        var native = Enrolment.HasNativeTunnel(meta);
        var captured = meta.Annotation(WellKnown.Redirection) == "enabled";
        return new Workload
        {
            Uid = $"{options.ClusterId}/{uid}",
            Name = meta.Name,
            Namespace = meta.Namespace,
            TrustDomain = options.TrustDomain,
            ServiceAccount = entry.ServiceAccount.Length > 0 ? entry.ServiceAccount : "default",
            Addresses = isAddress ? [address] : [],
            Hostname = isAddress ? "" : entry.Address,
            Network = entry.Network.Length > 0 ? entry.Network : options.Network,
            Protocol = captured || native ? TunnelProtocol.Hbone : TunnelProtocol.Tcp,
            NativeTunnel = native,
            WorkloadName = workloadName,
            WorkloadType = WorkloadType.Pod,
            CanonicalName = canonicalName,
            CanonicalRevision = canonicalRevision,
            ClusterId = options.ClusterId,
            Locality = ParseLocality(entry.Locality),
            AuthorizationPolicies = scope.Policies,
            Capacity = entry.Weight > 0 ? entry.Weight : 1,
            Services = backing.ToImmutableDictionary(service => service.Service.Key, service => PortsOf(entry, service), StringComparer.Ordinal),
        };
    }

    private static ImmutableArray<ServicePort> PortsOf(WorkloadEntryObject entry, CatalogService service)
    {
        var ports = ImmutableArray.CreateBuilder<ServicePort>(service.Ports.Count);
        foreach (var port in service.Ports)
        {
            if (port.TargetPortName.Length > 0)
            {
                if (entry.Ports.TryGetValue(port.TargetPortName, out var named))
                {
                    ports.Add(new ServicePort(port.Port, named));
                }

                continue;
            }

            ports.Add(new ServicePort(port.Port, entry.Ports.TryGetValue(port.Name, out var own) ? own : port.TargetPort));
        }

        return ports.ToImmutable();
    }

    /// <summary>Endpoints that are no pods: addresses about which nothing is known, possibly shared with others.</summary>
    private void AddBareEndpointsOf(EndpointSliceObject slice)
    {
        var meta = slice.Meta;
        if (slice.IsFqdn || meta.Label(WellKnown.ServiceName) is not { } serviceName
            || services.OfKubernetes(meta.Namespace, serviceName) is not { } service)
        {
            return;
        }

        foreach (var endpoint in slice.Endpoints.Where(endpoint => endpoint.Pod is null && endpoint.Addresses.Count > 0))
        {
            var uid = $"discovery.k8s.io/EndpointSlice/{meta.Namespace}/{meta.Name}/{endpoint.Addresses[0]}";
            if (memory.Keep("workload", uid, [slice, endpoint, service], () => FromBareEndpoint(slice, endpoint, service, uid)) is { } workload)
            {
                AddOnce(workload);
            }
        }
    }

    /// <summary>The workload of an endpoint, or null when not all of its addresses are addresses.</summary>
    private Workload? FromBareEndpoint(EndpointSliceObject slice, SliceEndpoint endpoint, CatalogService service, string uid)
    {
        var ports = ImmutableArray.CreateBuilder<ServicePort>();
        foreach (var port in slice.Ports.Where(port => port.IsTcp))
        {
            foreach (var match in service.Ports.Where(candidate => candidate.Name == port.Name).Take(1))
            {
                ports.Add(new ServicePort(match.Port, port.Port));
            }
        }

        var backed = ImmutableDictionary.Create<string, ImmutableArray<ServicePort>>(StringComparer.Ordinal).Add(service.Service.Key, ports.ToImmutable());
        var addresses = ImmutableArray.CreateBuilder<IPAddress>();
        foreach (var text in endpoint.Addresses)
        {
            if (!IPText.TryParseAddress(text, out var address))
            {
                return null;
            }

            addresses.Add(address);
        }

        return new Workload
        {
            Uid = $"{options.ClusterId}/{uid}",
            Name = slice.Meta.Name,
            Namespace = slice.Meta.Namespace,
            TrustDomain = options.TrustDomain,
            Addresses = addresses.ToImmutable(),
            Network = options.Network,
            NetworkMode = NetworkMode.HostNetwork,
            ClusterId = options.ClusterId,
            Status = endpoint.Ready ? WorkloadStatus.Healthy : WorkloadStatus.Unhealthy,
            Services = backed,
        };
    }

    /// <summary>The same address twice in one entry or slice is one workload.</summary>
    private void AddOnce(Workload workload)
    {
        for (var i = _workloads.Count - 1; i >= 0 && _workloads[i].Name == workload.Name && _workloads[i].Namespace == workload.Namespace; i--)
        {
            if (_workloads[i].Uid == workload.Uid)
            {
                return;
            }
        }

        _workloads.Add(workload);
    }

    private Locality LocalityOfNode(string node)
    {
        if (node.Length == 0 || objects.Nodes.GetValueOrDefault(node)?.Meta is not { } meta)
        {
            return Locality.Empty;
        }

        var locality = new Locality(meta.Label(WellKnown.Region) ?? "", meta.Label(WellKnown.Zone) ?? "", meta.Label(WellKnown.Subzone) ?? "");
        return locality == Locality.Empty ? Locality.Empty : locality;
    }

    private static Locality ParseLocality(string text)
    {
        if (text.Length == 0)
        {
            return Locality.Empty;
        }

        var parts = text.Split('/');
        return new Locality(parts[0], parts.Length > 1 ? parts[1] : "", parts.Length > 2 ? parts[2] : "");
    }
}
