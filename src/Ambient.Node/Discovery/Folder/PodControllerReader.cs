using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads what makes pods from a template.</summary>
internal static class PodControllerReader
{
    /// <summary>More pods than a test machine runs, and few enough that a typing error does not fill it.</summary>
    private const int MaxReplicas = 10_000;

    /// <summary>Reads an object of any of the kinds; the kind says how many pods it has.</summary>
    public static PodControllerObject Read(ObjectMeta meta, FieldReader fields)
    {
        var spec = fields.ObjectOrEmpty("spec");
        var holder = meta.Kind == "CronJob" ? JobSpec(spec) : spec;
        var replicas = meta.Kind switch
        {
            "DaemonSet" => 1, // one on each node, and this machine is one node
            "Job" => PodsOfJob(spec, fields.ObjectOrEmpty("status")),
            "CronJob" => spec.Boolean("suspend") == true ? 0 : PodsOfJob(holder, status: null),
            _ => spec.Integer("replicas", 0, MaxReplicas) ?? 1,
        };
        var first = meta.Kind == "StatefulSet" ? spec.ObjectOrEmpty("ordinals").Integer("start", 0, int.MaxValue - MaxReplicas) ?? 0 : 0;
        var template = holder.Object("template");
        if (template is null)
        {
            holder.Error("template", "missing; expected the template of the pods");
            template = holder.ObjectOrEmpty("template");
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
        PodReader.CheckAddress(templateMeta, templateMetadata, replicas);
        return new PodControllerObject(meta)
        {
            Replicas = replicas,
            FirstOrdinal = first,
            Owner = PodReader.ReadController(fields.ObjectOrEmpty("metadata")),
            Template = PodReader.ReadSpec(templateMeta, templateMetadata, template.ObjectOrEmpty("spec")) with { WorkloadName = meta.Name },
        };
    }

    private static FieldReader JobSpec(FieldReader spec)
    {
        if (spec.Object("jobTemplate") is { } job)
        {
            return job.ObjectOrEmpty("spec");
        }

        spec.Error("jobTemplate", "missing; expected the template of the jobs");
        return spec.ObjectOrEmpty("jobTemplate").ObjectOrEmpty("spec");
    }

    /// <summary>As many as run at once, and none when it is suspended or has completed.</summary>
    private static int PodsOfJob(FieldReader spec, FieldReader? status)
    {
        var parallelism = spec.Integer("parallelism", 0, MaxReplicas) ?? 1;
        var completions = spec.Integer("completions", 0, int.MaxValue) ?? parallelism;
        var completed = status?.String("completionTime") is { Length: > 0 };
        return completed || spec.Boolean("suspend") == true ? 0 : Math.Min(parallelism, completions);
    }
}
