using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;
using Google.Protobuf;
using Google.Protobuf.Collections;
using Wire = Ambient.Node.Protos.Workloads;

namespace Ambient.Node.Discovery.Xds.Workloads;

/// <summary>
/// Workloads and services of the wire as the mesh model (istio/istio, <c>pkg/workloadapi/workload.proto</c>). A value that this version does not know
/// refuses the resource where ignoring it could send traffic another way; where the original reads it as a default, so do we.
/// </summary>
internal sealed class AddressReader
{
    private readonly ServicesPool _services;
    private readonly PlainWorkloadReader _plain;
    private readonly StringPool _strings;

    /// <summary>Creates one that shares texts and parts of what it reads.</summary>
    public AddressReader(StringPool strings)
    {
        _strings = strings;
        _services = new ServicesPool(strings);
        _plain = new PlainWorkloadReader(strings, _services);
    }

    /// <summary>A workload or service from an Address message.</summary>
    /// <exception cref="ResourceException">A field has no meaning here.</exception>
    /// <exception cref="InvalidProtocolBufferException">The bytes are not such a message.</exception>
    public object Read(ReadOnlySpan<byte> address)
    {
        if (_plain.Read(address) is { } plain)
        {
            return plain;
        }

        var wire = Wire.Address.Parser.ParseFrom(address);
        switch (wire.TypeCase)
        {
            case Wire.Address.TypeOneofCase.Workload:
                var workload = Read(wire.Workload);
                _plain.Learn(address, workload);
                return workload;
            case Wire.Address.TypeOneofCase.Service:
                return Read(wire.Service);
            default:
                throw new ResourceException("type: neither a workload nor a service");
        }
    }

    /// <summary>A workload.</summary>
    /// <exception cref="ResourceException">A field has no meaning here.</exception>
    public Workload Read(Wire.Workload wire)
    {
        if (wire.Uid.Length == 0)
        {
            throw new ResourceException("uid: missing");
        }

        return new Workload
        {
            Uid = wire.Uid,
            Name = wire.Name,
            Namespace = _strings.Get(wire.Namespace),
            TrustDomain = wire.TrustDomain.Length == 0 ? "cluster.local" : _strings.Get(wire.TrustDomain),
            ServiceAccount = wire.ServiceAccount.Length == 0 ? "default" : _strings.Get(wire.ServiceAccount),
            Addresses = Addresses(wire.Addresses),
            Hostname = _strings.Get(wire.Hostname),
            Network = _strings.Get(wire.Network),
            Protocol = wire.TunnelProtocol switch
            {
                Wire.TunnelProtocol.None => TunnelProtocol.Tcp,
                Wire.TunnelProtocol.Hbone => TunnelProtocol.Hbone,
                var other => throw Unknown("tunnel_protocol", other),
            },
            NetworkMode = wire.NetworkMode switch
            {
                Wire.NetworkMode.Standard => NetworkMode.Standard,
                Wire.NetworkMode.HostNetwork => NetworkMode.HostNetwork,
                var other => throw Unknown("network_mode", other),
            },
            Node = _strings.Get(wire.Node),
            WorkloadName = _strings.Get(wire.WorkloadName),
            WorkloadType = wire.WorkloadType switch
            {
                Wire.WorkloadType.Cronjob => WorkloadType.CronJob,
                Wire.WorkloadType.Pod => WorkloadType.Pod,
                Wire.WorkloadType.Job => WorkloadType.Job,
                _ => WorkloadType.Deployment,
            },
            CanonicalName = _strings.Get(wire.CanonicalName),
            CanonicalRevision = _strings.Get(wire.CanonicalRevision),
            ClusterId = wire.ClusterId.Length == 0 ? "Kubernetes" : _strings.Get(wire.ClusterId),
            Locality = wire.Locality is { } locality
                ? new Locality(_strings.Get(locality.Region), _strings.Get(locality.Zone), _strings.Get(locality.Subzone))
                : Locality.Empty,
            Status = wire.Status switch
            {
                Wire.WorkloadStatus.Healthy => WorkloadStatus.Healthy,
                Wire.WorkloadStatus.Unhealthy => WorkloadStatus.Unhealthy,
                var other => throw Unknown("status", other),
            },
            NativeTunnel = wire.NativeTunnel,
            ApplicationTunnel = wire.ApplicationTunnel is { } tunnel ? Tunnel(tunnel) : null,
            AuthorizationPolicies = wire.AuthorizationPolicies.Count == 0 ? [] : [.. wire.AuthorizationPolicies.Select(_strings.Get)],
            Waypoint = Gateway("waypoint", wire.Waypoint),
            NetworkGateway = Gateway("network_gateway", wire.NetworkGateway),
            Capacity = wire.Capacity ?? 1,
            Services = _services.Get(wire.Services),
        };
    }

    /// <summary>A service.</summary>
    /// <exception cref="ResourceException">A field has no meaning here.</exception>
    public MeshService Read(Wire.Service wire)
    {
        if (wire.Hostname.Length == 0)
        {
            throw new ResourceException("hostname: missing");
        }

        var vips = ImmutableArray.CreateBuilder<NetworkAddress>(wire.Addresses.Count);
        var ranges = ImmutableArray.CreateBuilder<NetworkCidr>();
        foreach (var address in wire.Addresses)
        {
            var ip = Address("addresses", address.Address);
            var whole = ip.GetAddressBytes().Length * 8;
            var length = address.HasLength ? address.Length : (uint)whole;
            if (length > whole)
            {
                throw new ResourceException($"addresses: {ip} has a prefix length of {length}");
            }

            if (length == whole)
            {
                vips.Add(new NetworkAddress(_strings.Get(address.Network), ip));
            }
            else
            {
                ranges.Add(new NetworkCidr(_strings.Get(address.Network), AddressRange.Of(ip, (int)length)));
            }
        }

        return new MeshService
        {
            Name = _strings.Get(wire.Name),
            Namespace = _strings.Get(wire.Namespace),
            Hostname = _strings.Get(wire.Hostname),
            Vips = vips.DrainToImmutable(),
            CidrVips = ranges.DrainToImmutable(),
            Ports = WirePorts.Read(wire.Ports),
            SubjectAltNames = [.. wire.SubjectAltNames.Select(_strings.Get)],
            Waypoint = Gateway("waypoint", wire.Waypoint),
            WeightedWaypoints = [.. wire.WeightedWaypoints.Select(weighted => new WeightedWaypoint(
                Gateway("weighted_waypoints", weighted.Destination) ?? throw new ResourceException("weighted_waypoints: a destination is missing"), weighted.Weight))],
            LoadBalancing = wire.LoadBalancing is { } balancing ? Balancing(balancing) : null,
            IPFamilies = wire.IpFamilies switch
            {
                Wire.IPFamilies.Automatic => IPFamilies.Automatic,
                Wire.IPFamilies.Ipv4Only => IPFamilies.IPv4Only,
                Wire.IPFamilies.Ipv6Only => IPFamilies.IPv6Only,
                Wire.IPFamilies.Dual => IPFamilies.Dual,
                var other => throw Unknown("ip_families", other),
            },
            Canonical = wire.Canonical,
            Visibility = wire.Visibility == Wire.Visibility.Namespace ? ServiceVisibility.Namespace : ServiceVisibility.Public,
            IngressUseWaypoint = wire.IngressUseWaypoint,
        };
    }

    private static LoadBalancing Balancing(Wire.LoadBalancing wire) => new(
        [.. wire.RoutingPreference.Select(scope => scope is > Wire.LoadBalancing.Types.Scope.UnspecifiedScope and <= Wire.LoadBalancing.Types.Scope.Network
            ? (LoadBalancingScope)(int)scope
            : throw Unknown("load_balancing.routing_preference", scope))],
        wire.Mode is >= Wire.LoadBalancing.Types.Mode.UnspecifiedMode and <= Wire.LoadBalancing.Types.Mode.Passthrough
            ? (LoadBalancingMode)(int)wire.Mode
            : throw Unknown("load_balancing.mode", wire.Mode),
        wire.HealthPolicy is Wire.LoadBalancing.Types.HealthPolicy.OnlyHealthy or Wire.LoadBalancing.Types.HealthPolicy.AllowAll
            ? (EndpointHealthPolicy)(int)wire.HealthPolicy
            : throw Unknown("load_balancing.health_policy", wire.HealthPolicy));

    private static ApplicationTunnel Tunnel(Wire.ApplicationTunnel wire) => new(
        wire.Protocol switch
        {
            Wire.ApplicationTunnel.Types.Protocol.None => ApplicationTunnelProtocol.None,
            Wire.ApplicationTunnel.Types.Protocol.Proxy => ApplicationTunnelProtocol.Proxy,
            var other => throw Unknown("application_tunnel.protocol", other),
        },
        WirePorts.Read("application_tunnel.port", wire.Port));

    private GatewayAddress? Gateway(string field, Wire.GatewayAddress? wire) => wire?.DestinationCase switch
    {
        null => null,
        Wire.GatewayAddress.DestinationOneofCase.Hostname => GatewayAddress.ByHostname(
            _strings.Get(wire.Hostname.Namespace), _strings.Get(wire.Hostname.Hostname), WirePorts.Read(field, wire.HboneMtlsPort)),
        Wire.GatewayAddress.DestinationOneofCase.Address => GatewayAddress.ByAddress(
            new NetworkAddress(_strings.Get(wire.Address.Network), Address(field, wire.Address.Address)), WirePorts.Read(field, wire.HboneMtlsPort)),
        _ => throw new ResourceException($"{field}: the destination is missing"),
    };

    private static ImmutableArray<IPAddress> Addresses(RepeatedField<ByteString> wire)
    {
        var addresses = ImmutableArray.CreateBuilder<IPAddress>(wire.Count);
        foreach (var bytes in wire)
        {
            addresses.Add(Address("addresses", bytes));
        }

        return addresses.MoveToImmutable();
    }

    private static IPAddress Address(string field, ByteString bytes) => bytes.Length is 4 or 16
        ? new IPAddress(bytes.Span)
        : throw new ResourceException($"{field}: an address of {bytes.Length} bytes; 4 or 16 are wanted");

    private static ResourceException Unknown(string field, Enum value) => new($"{field}: {value} is not known to this version, or not supported");
}
