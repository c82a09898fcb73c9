using System.Net;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads Pods and the specs of pods.</summary>
internal static class PodReader
{
    public static PodObject ReadPod(ObjectMeta meta, FieldReader fields)
    {
        var metadata = fields.ObjectOrEmpty("metadata");
        var pod = ReadSpec(meta, metadata, fields.ObjectOrEmpty("spec")) with
        {
            Uid = metadata.String("uid") ?? "",
            GenerateName = metadata.String("generateName") ?? "",
            Controller = ReadController(metadata),
        };
        CheckAddress(meta, metadata, replicas: 1);

        // Tools that write manifests leave an empty status behind, which says nothing.
        return fields.Object("status") is { } status && !SaysNothing((YamlMapping)status.Node, pod)
            ? ReadStatus(pod, metadata, status)
            : pod with { Ready = !metadata.Has("deletionTimestamp") };
    }

    /// <summary>
    /// Whether a status is empty, or what an API server fills in before anybody has seen the pod, as <c>kubectl run --dry-run=server</c> prints it:
    /// pending and on no node, of some class of service.
    /// </summary>
    private static bool SaysNothing(YamlMapping status, PodObject pod) => status.Entries.TrueForAll(field =>
        EmptyValues.SayNothing(field.Value)
        || (pod.NodeName.Length == 0 && (field.Key.Value == "qosClass" || (field.Key.Value == "phase" && field.Value is YamlScalar { Value: "Pending" }))));

    /// <summary>What a pod's spec says, its own or that of a template.</summary>
    public static PodObject ReadSpec(ObjectMeta meta, FieldReader metadata, FieldReader spec)
    {
        var ports = new List<ContainerPort>();
        var hasProxy = false;
        foreach (var container in spec.Objects("containers"))
        {
            hasProxy |= container.String("name") == "istio-proxy";
            ReadPorts(container, ports);
        }

        foreach (var container in spec.Objects("initContainers"))
        {
            if (container.String("restartPolicy") == "Always")
            {
                hasProxy |= container.String("name") == "istio-proxy";
                ReadPorts(container, ports);
            }
        }

        var serviceAccount = NonEmpty(spec, "serviceAccountName") ?? NonEmpty(spec, "serviceAccount") ?? "";
        if (serviceAccount.Length > 0 && !ManifestReader.IsName(serviceAccount))
        {
            spec.Error("serviceAccountName", $"\"{serviceAccount}\" is not the name of a service account");
            serviceAccount = "";
        }

        return new PodObject(meta)
        {
            ServiceAccount = serviceAccount.Length > 0 ? serviceAccount : "default",
            NodeName = NonEmpty(spec, "nodeName") ?? spec.ObjectOrEmpty("nodeSelector").String(WellKnown.NodeHostname) ?? "",
            HostNetwork = spec.Boolean("hostNetwork") ?? false,
            Ports = ports,
            Proxy = ProxySettingsReader.Read(metadata.ObjectOrEmpty("annotations"), meta.Annotation(ProxySettingsReader.Annotation)),
            HasSidecar = hasProxy || meta.Annotation(WellKnown.SidecarStatus) is not null,
        };
    }

    private static void ReadPorts(FieldReader container, List<ContainerPort> ports)
    {
        foreach (var port in container.Objects("ports"))
        {
            var name = port.String("name") ?? "";
            if (name.Length > 0 && PortNames.WhyNotOfContainer(name) is { } why)
            {
                port.Error("name", $"\"{name}\" is not the name of a port: {why}");
            }

            ports.Add(new ContainerPort(name, port.RequiredInteger("containerPort", 1, 65535), IsTcp(port)));
        }
    }

    /// <summary>Whether a port is one of TCP, as ports are that do not say.</summary>
    public static bool IsTcp(FieldReader port) => port.OneOf("protocol", "TCP", "UDP", "SCTP") is null or "TCP";

    private static string? NonEmpty(FieldReader fields, string field) => fields.String(field) is { Length: > 0 } text ? text : null;

    /// <summary>The owner that controls an object, or null.</summary>
    public static PodOwner? ReadController(FieldReader metadata)
    {
        PodOwner? controller = null;
        foreach (var owner in metadata.Objects("ownerReferences"))
        {
            if (controller is null && owner.Boolean("controller") == true)
            {
                controller = new PodOwner(owner.String("kind") ?? "", owner.String("name") ?? "");
            }
        }

        return controller;
    }

    private static PodObject ReadStatus(PodObject pod, FieldReader metadata, FieldReader status)
    {
        var addresses = new List<IPAddress>();
        foreach (var podIP in status.Objects("podIPs"))
        {
            ReadAddress(podIP, "ip", addresses);
        }

        if (addresses.Count == 0 && status.Find("podIP") is not (null or YamlScalar { Value: "" }))
        {
            ReadAddress(status, "podIP", addresses);
        }

        var ready = false;
        foreach (var condition in status.Objects("conditions"))
        {
            if (condition.String("type") == "Ready")
            {
                ready = condition.String("status") == "True";
                break;
            }
        }

        return pod with
        {
            HasStatus = true,
            Ended = status.String("phase") is "Succeeded" or "Failed",
            Ready = ready && !metadata.Has("deletionTimestamp"),
            Addresses = addresses,
        };
    }

    private static void ReadAddress(FieldReader fields, string field, List<IPAddress> addresses)
    {
        var text = fields.RequiredString(field);
        if (IPText.TryParseAddress(text, out var address))
        {
            addresses.Add(address);
        }
        else if (text.Length > 0)
        {
            fields.Error(field, $"\"{text}\" is not an IP address");
        }
    }

    /// <summary>Checks the address that an annotation gives the pod, or the pods of a template.</summary>
    public static void CheckAddress(ObjectMeta meta, FieldReader metadata, int replicas)
    {
        if (meta.Annotation(WellKnown.Address) is not { } text)
        {
            return;
        }

        var annotations = metadata.ObjectOrEmpty("annotations");
        if (!IPText.TryParseAddress(text, out _))
        {
            annotations.Error(WellKnown.Address, $"\"{text}\" is not an IP address");
        }
        else if (replicas > 1)
        {
            annotations.Error(WellKnown.Address, $"one address for {replicas} replicas; expected one replica, or no address");
        }
    }
}
