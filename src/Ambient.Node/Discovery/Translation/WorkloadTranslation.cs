using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>Pods, WorkloadEntries, endpoints of ServiceEntries and bare endpoints as workloads (reference/waypoint.md 1.3).</summary>
internal sealed class WorkloadTranslation(
    KubernetesObjects objects, WaypointCatalog waypoints, ServiceCatalog services, PolicyCatalog policies, TranslationOptions options)
{
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
                _workloads.Add(FromPod(pod));
            }
        }

        foreach (var entry in objects.WorkloadEntries.Values)
        {
            _workloads.Add(FromWorkloadEntry(entry));
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

    private Workload FromPod(PodObject pod)
    {
        var meta = pod.Meta;
        var name = WorkloadNames.OfPod(pod);
        var (canonicalName, canonicalRevision) = WorkloadNames.Canonical(meta, name);
        var native = Enrolment.HasNativeTunnel(meta);
        var captured = Enrolment.IsCaptured(pod, objects.Namespaces.GetValueOrDefault(meta.Namespace));
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
            Locality = LocalityOfNode(pod.NodeName),
            Status = pod.Ready ? WorkloadStatus.Healthy : WorkloadStatus.Unhealthy,
            ApplicationTunnel = waypoints.InstanceOf(meta)?.InboundBinding,
            Waypoint = waypoints.OfWorkload(meta)?.Address,
            AuthorizationPolicies = [.. policies.Of(meta.Namespace, meta.Labels)],
            Services = ServicesOf(pod),
        };
    }

    private ImmutableDictionary<string, ImmutableArray<ServicePort>> ServicesOf(PodObject pod)
    {
        var backed = ImmutableDictionary.CreateBuilder<string, ImmutableArray<ServicePort>>(StringComparer.Ordinal);
        foreach (var service in services.Selecting(pod.Meta.Namespace, pod.Meta.Labels))
        {
            backed[service.Service.Key] = PortsOf(pod, service);
        }

        // Services without selectors, by the slices that name this pod.
        foreach (var (slice, endpoint) in _slicesByPod[pod.Meta.Key])
        {
            var samePod = endpoint.PodUid.Length == 0 || pod.Uid.Length == 0 || endpoint.PodUid == pod.Uid;
            if (samePod && services.OfKubernetes(slice.Meta.Namespace, slice.Meta.Label(WellKnown.ServiceName)!) is { } service)
            {
                backed.TryAdd(service.Service.Key, PortsOf(pod, service));
            }
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

    private Workload FromWorkloadEntry(WorkloadEntryObject entry)
    {
        var meta = entry.Meta;
        var name = meta.Annotation(WellKnown.AutoRegistrationGroup) ?? meta.Label(WellKnown.WorkloadName) ?? meta.Name;
        var backing = services.Selecting(meta.Namespace, meta.Labels);
        return FromEntry(entry, $"networking.istio.io/WorkloadEntry/{meta.Namespace}/{meta.Name}", meta, name, backing) with
        {
            ApplicationTunnel = waypoints.InstanceOf(meta)?.InboundBinding,
            Waypoint = waypoints.OfWorkload(meta)?.Address,
        };
    }

    private void AddEndpointsOf(ServiceEntryObject entry)
    {
        var meta = entry.Meta;
        var own = services.OfServiceEntry(meta.Key).ToList();
        foreach (var endpoint in entry.Endpoints)
        {
            if (own.Count > 0)
            {
                // Identity and policies follow the entry's labels, the waypoint follows the endpoint's own.
                var endpointMeta = meta with { Labels = endpoint.Meta.Labels };
                AddOnce(FromEntry(endpoint, $"networking.istio.io/ServiceEntry/{meta.Namespace}/{meta.Name}/{endpoint.Address}", meta, meta.Name, own) with
                {
                    ApplicationTunnel = waypoints.InstanceOf(endpointMeta)?.InboundBinding,
                    Waypoint = waypoints.OfWorkload(endpointMeta)?.Address,
                });
            }
        }

        var resolvesHosts = entry.Resolution is ServiceEntryResolution.Dns or ServiceEntryResolution.DnsRoundRobin or ServiceEntryResolution.DynamicDns;
        if (entry.Endpoints.Count == 0 && entry.WorkloadSelector is null && resolvesHosts)
        {
            foreach (var service in own)
            {
                var host = new WorkloadEntryObject(meta) { Address = service.Service.Hostname };
                AddOnce(FromEntry(host, $"networking.istio.io/ServiceEntry/{meta.Namespace}/{meta.Name}/{host.Address}", meta, meta.Name, [service]));
            }
        }
    }

    private Workload FromEntry(WorkloadEntryObject entry, string uid, ObjectMeta meta, string workloadName, IEnumerable<CatalogService> backing)
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
            AuthorizationPolicies = [.. policies.Of(meta.Namespace, meta.Labels)],
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

        var ports = ImmutableArray.CreateBuilder<ServicePort>();
        foreach (var port in slice.Ports.Where(port => port.IsTcp))
        {
            foreach (var match in service.Ports.Where(candidate => candidate.Name == port.Name).Take(1))
            {
                ports.Add(new ServicePort(match.Port, port.Port));
            }
        }

        var backed = ImmutableDictionary.Create<string, ImmutableArray<ServicePort>>(StringComparer.Ordinal).Add(service.Service.Key, ports.ToImmutable());
        foreach (var endpoint in slice.Endpoints.Where(endpoint => endpoint.Pod is null && endpoint.Addresses.Count > 0))
        {
            var addresses = ImmutableArray.CreateBuilder<IPAddress>();
            foreach (var text in endpoint.Addresses)
            {
                if (IPText.TryParseAddress(text, out var address))
                {
                    addresses.Add(address);
                }
            }

            if (addresses.Count == endpoint.Addresses.Count)
            {
                AddOnce(new Workload
                {
                    Uid = $"{options.ClusterId}/discovery.k8s.io/EndpointSlice/{meta.Namespace}/{meta.Name}/{endpoint.Addresses[0]}",
                    Name = meta.Name,
                    Namespace = meta.Namespace,
                    TrustDomain = options.TrustDomain,
                    Addresses = addresses.ToImmutable(),
                    Network = options.Network,
                    NetworkMode = NetworkMode.HostNetwork,
                    ClusterId = options.ClusterId,
                    Status = endpoint.Ready ? WorkloadStatus.Healthy : WorkloadStatus.Unhealthy,
                    Services = backed,
                });
            }
        }
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
