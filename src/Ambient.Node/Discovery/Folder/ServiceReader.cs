using System.Net;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;
using Ambient.Node.Discovery.Translation;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads Services, EndpointSlices and Endpoints.</summary>
internal static class ServiceReader
{
    public static ServiceObject ReadService(ObjectMeta meta, FieldReader fields)
    {
        var spec = fields.ObjectOrEmpty("spec");
        var (addresses, headless) = ReadClusterIPs(spec);
        return new ServiceObject(meta)
        {
            ExternalName = ReadExternalName(spec),
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
                ports.Add(new ContainerPort(port.String("name") ?? "", number, PodReader.IsTcp(port)));
            }
        }

        var endpoints = new List<SliceEndpoint>();
        foreach (var endpoint in fields.Objects("endpoints"))
        {
            var (pod, uid) = ReadTarget(meta, endpoint);
            endpoints.Add(new SliceEndpoint(
                endpoint.Strings("addresses"), endpoint.ObjectOrEmpty("conditions").Boolean("ready") ?? true, pod, uid));
        }

        return new EndpointSliceObject(meta)
        {
            IsFqdn = fields.OneOf("addressType", "IPv4", "IPv6", "FQDN") == "FQDN",
            Ports = ports,
            Endpoints = endpoints,
        };
    }

    public static EndpointsObject ReadEndpoints(ObjectMeta meta, FieldReader fields)
    {
        var slices = new List<EndpointSliceObject>();
        var sliceMeta = meta with
        {
            Kind = "EndpointSlice",
            Labels = new Dictionary<string, string>(meta.Labels, StringComparer.Ordinal) { [WellKnown.ServiceName] = meta.Name },
        };
        foreach (var subset in fields.Objects("subsets"))
        {
            var ports = new List<ContainerPort>();
            foreach (var port in subset.Objects("ports"))
            {
                ports.Add(new ContainerPort(port.String("name") ?? "", port.RequiredInteger("port", 1, 65535), PodReader.IsTcp(port)));
            }

            slices.Add(new EndpointSliceObject(sliceMeta with { Name = $"{meta.Name}-{slices.Count}" })
            {
                Ports = ports,
                Endpoints =
                [
                    .. subset.Objects("addresses").Select(address => ReadEndpoint(meta, address, ready: true)),
                    .. subset.Objects("notReadyAddresses").Select(address => ReadEndpoint(meta, address, ready: false)),
                ],
            });
        }

        return new EndpointsObject(meta) { Slices = slices };
    }

    private static SliceEndpoint ReadEndpoint(ObjectMeta meta, FieldReader address, bool ready)
    {
        var ip = address.RequiredString("ip");
        if (ip.Length > 0 && !IPText.TryParseAddress(ip, out _))
        {
            address.Error("ip", $"\"{ip}\" is not an IP address");
        }

        var (pod, uid) = ReadTarget(meta, address);
        return new SliceEndpoint([ip], ready, pod, uid);
    }

    /// <summary>The pod that an endpoint is, or null.</summary>
    private static (string? Pod, string Uid) ReadTarget(ObjectMeta meta, FieldReader endpoint)
    {
        if (endpoint.Object("targetRef") is not { } target || target.String("kind") != "Pod")
        {
            return (null, "");
        }

        return ($"{(target.String("namespace") is { Length: > 0 } ns ? ns : meta.Namespace)}/{target.String("name")}", target.String("uid") ?? "");
    }

    private static string? ReadExternalName(FieldReader spec)
    {
        if (spec.OneOf("type", "ClusterIP", "NodePort", "LoadBalancer", "ExternalName") != "ExternalName")
        {
            return null;
        }

        var name = spec.RequiredString("externalName").TrimEnd('.').ToLowerInvariant();
        if (name.Length > 0 && !ManifestReader.IsName(name))
        {
            spec.Error("externalName", $"\"{name}\" is not a DNS name");
        }

        return name;
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
        var names = new HashSet<string>(StringComparer.Ordinal);
        var numbers = new HashSet<(int, string)>();
        var several = spec.List("ports") is { Items.Count: > 1 };
        foreach (var port in spec.Objects("ports"))
        {
            var before = port.Errors.Count;
            var number = port.RequiredInteger("port", 1, 65535);
            var name = port.String("name") ?? "";
            var transport = port.OneOf("protocol", "TCP", "UDP", "SCTP") ?? "TCP";
            var (target, targetName) = ReadTargetPort(port, number);
            var appProtocol = port.String("appProtocol") is { Length: > 0 } declared ? declared : null;
            if (port.Errors.Count == before)
            {
                CheckName(port, name, several, names);
                if (!numbers.Add((number, transport)))
                {
                    port.Error("port", $"{number}/{transport} is already another port of the service");
                }
            }

            ports.Add(new ServicePortSpec(
                name, number, target, targetName, AppProtocols.OfServicePort(number, name, transport, appProtocol)));
        }

        return ports;
    }

    private static void CheckName(FieldReader port, string name, bool several, HashSet<string> names)
    {
        if (name.Length == 0)
        {
            if (several)
            {
                port.Error("name", "missing; each of several ports needs a name");
            }
        }
        else if (PortNames.WhyNotOfService(name) is { } why)
        {
            port.Error("name", $"\"{name}\" is not the name of a port: {why}");
        }
        else if (!names.Add(name))
        {
            port.Error("name", $"\"{name}\" is already the name of another port of the service");
        }
    }

    private static (int Port, string Name) ReadTargetPort(FieldReader port, int fallback)
    {
        switch (port.Find("targetPort"))
        {
            case null or YamlScalar { Value: "" }:
                return (fallback, "");
            case YamlScalar scalar when YamlScalarType.Of(scalar) == YamlScalarType.Kind.String:
                if (PortNames.WhyNotOfContainer(scalar.Value) is { } why)
                {
                    var isNumber = !scalar.Value.AsSpan().ContainsAnyExceptInRange('0', '9');
                    port.Error("targetPort", $"\"{scalar.Value}\" is not the name of a port: {why}{(isNumber ? "; a number is written without quotes" : "")}");
                }

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
