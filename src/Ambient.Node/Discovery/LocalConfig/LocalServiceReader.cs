using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;

namespace Ambient.Node.Discovery.LocalConfig;

/// <summary>Reads the services of the local format.</summary>
internal static class LocalServiceReader
{
    public static MeshService Read(FieldReader fields)
    {
        // endpoints come from the workloads' own services, as over xDS; what is written here is checked and not used.
        fields.RejectUnknown(
            "name", "namespace", "hostname", "vips", "cidrVips", "ports", "endpoints", "subjectAltNames", "waypoint", "weightedWaypoints",
            "loadBalancer", "ipFamilies", "canonical", "visibility");
        var ns = fields.RequiredString("namespace");
        var hostname = fields.RequiredString("hostname");
        fields.Errors.Subject = $"service {ns}/{hostname}";
        foreach (var required in (ReadOnlySpan<string>)["vips", "ports"])
        {
            if (!fields.Has(required))
            {
                fields.Error(required, "missing; it may be empty");
            }
        }

        return new MeshService
        {
            Name = fields.RequiredString("name"),
            Namespace = ns,
            Hostname = hostname,
            Vips = ReadVips(fields),
            CidrVips = [.. fields.Objects("cidrVips").Select(ReadCidr)],
            Ports = LocalWorkloadReader.ReadPorts(fields, "ports"),
            SubjectAltNames = [.. fields.Strings("subjectAltNames")],
            Waypoint = LocalDestinations.ReadGateway(fields, "waypoint"),
            WeightedWaypoints = ReadWeighted(fields),
            LoadBalancing = ReadLoadBalancing(fields),
            IPFamilies = fields.OneOf("ipFamilies", "IPv4", "IPv6", "Dual") switch
            {
                "IPv4" => IPFamilies.IPv4Only,
                "IPv6" => IPFamilies.IPv6Only,
                "Dual" => IPFamilies.Dual,
                _ => IPFamilies.Automatic,
            },
            Canonical = fields.Boolean("canonical") ?? false,
            Visibility = fields.OneOf("visibility", "Public", "Namespace") == "Namespace" ? ServiceVisibility.Namespace : ServiceVisibility.Public,
        };
    }

    private static ImmutableArray<NetworkAddress> ReadVips(FieldReader fields)
    {
        var texts = fields.Strings("vips");
        var vips = ImmutableArray.CreateBuilder<NetworkAddress>(texts.Count);
        for (var i = 0; i < texts.Count; i++)
        {
            if (LocalDestinations.TryParseAddress(texts[i], out var vip))
            {
                vips.Add(vip);
            }
            else
            {
                fields.Error("vips", i, $"\"{texts[i]}\": expected network/ip, where the network may be empty");
            }
        }

        return vips.ToImmutable();
    }

    private static NetworkCidr ReadCidr(FieldReader cidr)
    {
        cidr.RejectUnknown("network", "cidr");
        var text = cidr.RequiredString("cidr");
        if (!IPText.TryParseRange(text, out var range) && text.Length > 0)
        {
            cidr.Error("cidr", $"\"{text}\" is not an address range");
        }

        return new NetworkCidr(cidr.String("network") ?? "", range);
    }

    private static ImmutableArray<WeightedWaypoint> ReadWeighted(FieldReader fields)
    {
        var weighted = ImmutableArray.CreateBuilder<WeightedWaypoint>();
        foreach (var entry in fields.Objects("weightedWaypoints"))
        {
            entry.RejectUnknown("destination", "weight");
            var weight = (uint)entry.RequiredInteger("weight", 0, int.MaxValue);
            if (entry.Object("destination") is not { } destination)
            {
                entry.Error("destination", "missing; expected an object with destination and hboneMtlsPort");
            }
            else if (LocalDestinations.ReadGateway(destination) is { } gateway)
            {
                weighted.Add(new WeightedWaypoint(gateway, weight));
            }
        }

        return weighted.ToImmutable();
    }

    private static LoadBalancing? ReadLoadBalancing(FieldReader fields)
    {
        if (fields.Object("loadBalancer") is not { } balancer)
        {
            return null;
        }

        balancer.RejectUnknown("routingPreferences", "mode", "healthPolicy");
        var scopes = ImmutableArray.CreateBuilder<LoadBalancingScope>();
        var names = balancer.Strings("routingPreferences");
        for (var i = 0; i < names.Count; i++)
        {
            if (ScopeOf(names[i]) is { } scope)
            {
                scopes.Add(scope);
            }
            else
            {
                balancer.Error("routingPreferences", i, $"\"{names[i]}\" is not known; expected Region, Zone, Subzone, Node, Cluster or Network");
            }
        }

        var mode = balancer.OneOf("mode", "Standard", "Strict", "Failover", "Passthrough") switch
        {
            "Strict" => LoadBalancingMode.Strict,
            "Failover" => LoadBalancingMode.Failover,
            "Passthrough" => LoadBalancingMode.Passthrough,
            _ => LoadBalancingMode.Standard,
        };
        var health = balancer.OneOf("healthPolicy", "OnlyHealthy", "AllowAll") == "AllowAll" ? EndpointHealthPolicy.AllowAll : EndpointHealthPolicy.OnlyHealthy;
        return new LoadBalancing(scopes.ToImmutable(), mode, health);
    }

    private static LoadBalancingScope? ScopeOf(string name) => name switch
    {
        "Region" => LoadBalancingScope.Region,
        "Zone" => LoadBalancingScope.Zone,
        "Subzone" => LoadBalancingScope.Subzone,
        "Node" => LoadBalancingScope.Node,
        "Cluster" => LoadBalancingScope.Cluster,
        "Network" => LoadBalancingScope.Network,
        _ => null,
    };
}
