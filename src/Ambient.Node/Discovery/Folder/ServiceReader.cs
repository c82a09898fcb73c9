using System.Net;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;
using Ambient.Node.Discovery.Translation;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads Services and EndpointSlices.</summary>
internal static class ServiceReader
{
    public static ServiceObject ReadService(ObjectMeta meta, FieldReader fields)
    {
        var spec = fields.ObjectOrEmpty("spec");
        var (addresses, headless) = ReadClusterIPs(spec);
        return new ServiceObject(meta)
        {
            IsExternalName = spec.OneOf("type", "ClusterIP", "NodePort", "LoadBalancer", "ExternalName") == "ExternalName",
            IsHeadless = headless,
            ClusterIPs = addresses,
            Ports = ReadPorts(spec),
            Selector = spec.StringMap("selector"),
            IPFamilies = ReadFamilies(spec),
            NodeLocal = spec.OneOf("internalTrafficPolicy", "Cluster", "Local") == "Local",
            TrafficDistribution = spec.String("trafficDistribution"),
            PublishNotReadyAddresses = spec.Boolean("publishNotReadyAddresses") ?? false,
        };
    }

    public static EndpointSliceObject ReadEndpointSlice(ObjectMeta meta, FieldReader fields)
    {
        var ports = new List<ContainerPort>();
        foreach (var port in fields.Objects("ports"))
        {
            // An absent name is the empty one: Kubernetes fills it in.
            if (port.Integer("port", 1, 65535) is { } number)
            {
                ports.Add(new ContainerPort(port.String("name") ?? "", number, port.String("protocol") is null or "TCP"));
            }
        }

        var endpoints = new List<SliceEndpoint>();
        foreach (var endpoint in fields.Objects("endpoints"))
        {
            var target = endpoint.Object("targetRef");
            var isPod = target?.String("kind") == "Pod";
            endpoints.Add(new SliceEndpoint(
                endpoint.Strings("addresses"),
                endpoint.ObjectOrEmpty("conditions").Boolean("ready") ?? true,
                isPod ? $"{target!.String("namespace") ?? meta.Namespace}/{target.String("name")}" : null,
                isPod ? target!.String("uid") ?? "" : ""));
        }

        return new EndpointSliceObject(meta)
        {
            IsFqdn = fields.OneOf("addressType", "IPv4", "IPv6", "FQDN") == "FQDN",
            Ports = ports,
            Endpoints = endpoints,
        };
    }

    private static (List<IPAddress> Addresses, bool Headless) ReadClusterIPs(FieldReader spec)
    {
        var addresses = new List<IPAddress>();
        var headless = false;
        var texts = spec.Strings("clusterIPs");
        var field = "clusterIPs";
        if (texts.Count == 0 && spec.String("clusterIP") is { } single)
        {
            texts = [single];
            field = "clusterIP";
        }

        foreach (var text in texts)
        {
            if (text == "None")
            {
                headless = true;
            }
            else if (IPText.TryParseAddress(text, out var address))
            {
                addresses.Add(address);
            }
            else if (text.Length > 0)
            {
                spec.Error(field, $"\"{text}\" is not an IP address; expected one, None, or nothing");
            }
        }

        return (addresses, headless);
    }

    private static List<ServicePortSpec> ReadPorts(FieldReader spec)
    {
        var ports = new List<ServicePortSpec>();
        foreach (var port in spec.Objects("ports"))
        {
            var number = port.RequiredInteger("port", 1, 65535);
            var name = port.String("name") ?? "";
            var transport = port.OneOf("protocol", "TCP", "UDP", "SCTP") ?? "TCP";
            var (target, targetName) = ReadTargetPort(port, number);
            ports.Add(new ServicePortSpec(
                name, number, target, targetName, AppProtocols.OfServicePort(number, name, transport, port.String("appProtocol"))));
        }

        return ports;
    }

    private static (int Port, string Name) ReadTargetPort(FieldReader port, int fallback)
    {
        switch (port.Find("targetPort"))
        {
            case null:
                return (fallback, "");
            case YamlScalar scalar when YamlScalarType.Of(scalar) == YamlScalarType.Kind.String && scalar.Value.Length > 0:
                return (0, scalar.Value);
            default:
                // Zero stands for "not given" in objects that a cluster wrote.
                var number = port.Integer("targetPort", 0, 65535) ?? 0;
                return (number == 0 ? fallback : number, "");
        }
    }

    private static IPFamilies ReadFamilies(FieldReader spec)
    {
        var families = spec.Strings("ipFamilies");
        for (var i = 0; i < families.Count; i++)
        {
            if (families[i] is not ("IPv4" or "IPv6"))
            {
                spec.Error("ipFamilies", i, $"\"{families[i]}\" is not known; expected IPv4 or IPv6");
            }
        }

        return families.Count switch
        {
            2 => IPFamilies.Dual,
            1 => families[0] == "IPv4" ? IPFamilies.IPv4Only : IPFamilies.IPv6Only,
            _ => IPFamilies.Automatic,
        };
    }
}
