using System.Net;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads Pods and Deployments.</summary>
internal static class PodReader
{
    /// <summary>More pods than a test machine runs, and few enough that a typing error does not fill it.</summary>
    private const int MaxReplicas = 10_000;

    public static PodObject ReadPod(ObjectMeta meta, FieldReader fields)
    {
        var metadata = fields.ObjectOrEmpty("metadata");
        var pod = ReadSpec(meta, fields.ObjectOrEmpty("spec")) with
        {
            Uid = metadata.String("uid") ?? "",
            GenerateName = metadata.String("generateName") ?? "",
            Controller = ReadController(metadata),
        };
        CheckAddress(meta, metadata, replicas: 1);
        return fields.Object("status") is { } status ? ReadStatus(pod, metadata, status) : pod;
    }

    public static DeploymentObject ReadDeployment(ObjectMeta meta, FieldReader fields)
    {
        var spec = fields.ObjectOrEmpty("spec");
        var replicas = spec.Integer("replicas", 0, MaxReplicas) ?? 1;
        var template = spec.Object("template");
        if (template is null)
        {
            spec.Error("template", "missing; expected the template of the pods");
            template = spec.ObjectOrEmpty("template");
        }

        var templateMetadata = template.ObjectOrEmpty("metadata");
        var templateMeta = new ObjectMeta
        {
            Kind = "Pod",
            Name = meta.Name,
            Namespace = meta.Namespace,
            Labels = templateMetadata.StringMap("labels"),
            Annotations = templateMetadata.StringMap("annotations"),
            CreationTime = meta.CreationTime,
            Place = meta.Place,
        };
        CheckAddress(templateMeta, templateMetadata, replicas);
        return new DeploymentObject(meta)
        {
            Replicas = replicas,
            Template = ReadSpec(templateMeta, template.ObjectOrEmpty("spec")) with { WorkloadName = meta.Name },
        };
    }

    private static PodObject ReadSpec(ObjectMeta meta, FieldReader spec)
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

        var serviceAccount = spec.String("serviceAccountName") ?? spec.String("serviceAccount") ?? "";
        if (serviceAccount.Length > 0 && !ManifestReader.IsName(serviceAccount))
        {
            spec.Error("serviceAccountName", $"\"{serviceAccount}\" is not the name of a service account");
            serviceAccount = "";
        }

        return new PodObject(meta)
        {
            ServiceAccount = serviceAccount.Length > 0 ? serviceAccount : "default",
            NodeName = spec.String("nodeName") ?? spec.ObjectOrEmpty("nodeSelector").String(WellKnown.NodeHostname) ?? "",
            HostNetwork = spec.Boolean("hostNetwork") ?? false,
            Ports = ports,
            HasSidecar = hasProxy || meta.Annotation(WellKnown.SidecarStatus) is not null,
        };
    }

    private static void ReadPorts(FieldReader container, List<ContainerPort> ports)
    {
        foreach (var port in container.Objects("ports"))
        {
            var protocol = port.String("protocol");
            ports.Add(new ContainerPort(
                port.String("name") ?? "", port.RequiredInteger("containerPort", 1, 65535), protocol is null or "TCP"));
        }
    }

    private static PodOwner? ReadController(FieldReader metadata)
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

        if (addresses.Count == 0 && status.Has("podIP"))
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

    private static void CheckAddress(ObjectMeta meta, FieldReader metadata, int replicas)
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
