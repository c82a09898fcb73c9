using System.Net;
using System.Text;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Connections;

/// <summary>Values of the headers that tunnels carry beside the authority (reference/ztunnel.md 2.2 and 2.3).</summary>
public static class ConnectHeaders
{
    /// <summary>
    /// The <c>baggage</c> that names a workload: <c>k8s.cluster.name=...,k8s.namespace.name=...</c>. What is empty is left
    /// out, and so is a value that would break the list.
    /// </summary>
    public static string Baggage(Workload workload)
    {
        ArgumentNullException.ThrowIfNull(workload);
        var text = new StringBuilder(192);
        Append(text, "k8s.cluster.name", workload.ClusterId);
        Append(text, "k8s.namespace.name", workload.Namespace);
        Append(text, TypeKey(workload.WorkloadType), workload.WorkloadName);
        Append(text, "service.name", workload.CanonicalName);
        Append(text, "service.version", workload.CanonicalRevision);
        Append(text, "cloud.region", workload.Locality.Region);
        Append(text, "cloud.availability_zone", workload.Locality.Zone);
        return text.ToString();
    }

    /// <summary>The <c>forwarded</c> value: <c>for="10.0.0.1:40000"</c>, with <c>;host=</c> when a service was meant.</summary>
    public static string Forwarded(IPEndPoint client, MeshService? service)
    {
        ArgumentNullException.ThrowIfNull(client);
        return service is null ? $"for=\"{client}\"" : $"for=\"{client}\";host={service.Hostname}";
    }

    /// <summary>The <c>host</c> parameter of a received <c>forwarded</c> value, without quotes, or null.</summary>
    public static string? ForwardedHost(string? forwarded)
    {
        if (forwarded is null || !Ascii.IsValid(forwarded))
        {
            return null;
        }

        foreach (var range in forwarded.AsSpan().SplitAny(';', ','))
        {
            var pair = forwarded.AsSpan(range).Trim();
            if (pair.StartsWith("host=", StringComparison.OrdinalIgnoreCase))
            {
                var host = pair["host=".Length..].Trim('"');
                return host.IsEmpty ? null : host.ToString();
            }
        }

        return null;
    }

    /// <summary>Reads a received <c>baggage</c> value (several lines joined with a comma). Unknown keys are ignored.</summary>
    public static PeerBaggage ParseBaggage(string? baggage)
    {
        var peer = PeerBaggage.Empty;
        foreach (var range in baggage.AsSpan().Split(','))
        {
            var entry = baggage.AsSpan(range).Trim();
            var equals = entry.IndexOf('=');
            if (equals <= 0)
            {
                continue;
            }

            var value = entry[(equals + 1)..];
            value = value.IndexOf('=') is >= 0 and var second ? value[..second] : value;
            if (!value.IsEmpty)
            {
                peer = With(peer, entry[..equals], value.ToString());
            }
        }

        return peer;
    }

    private static PeerBaggage With(PeerBaggage peer, ReadOnlySpan<char> key, string value) => key switch
    {
        "k8s.cluster.name" => peer with { ClusterId = value },
        "k8s.namespace.name" => peer with { Namespace = value },
        "k8s.deployment.name" => peer with { WorkloadName = value, WorkloadType = WorkloadType.Deployment },
        "k8s.cronjob.name" => peer with { WorkloadName = value, WorkloadType = WorkloadType.CronJob },
        "k8s.pod.name" => peer with { WorkloadName = value, WorkloadType = WorkloadType.Pod },
        "k8s.job.name" => peer with { WorkloadName = value, WorkloadType = WorkloadType.Job },
        "service.name" => peer with { CanonicalName = value },
        "service.version" => peer with { CanonicalRevision = value },
        "cloud.region" => peer with { Region = value },
        "cloud.availability_zone" => peer with { Zone = value },
        _ => peer,
    };

    private static string TypeKey(WorkloadType type) => type switch
    {
        WorkloadType.CronJob => "k8s.cronjob.name",
        WorkloadType.Pod => "k8s.pod.name",
        WorkloadType.Job => "k8s.job.name",
        _ => "k8s.deployment.name",
    };

    private static void Append(StringBuilder text, string key, string value)
    {
        if (value.Length == 0 || value.AsSpan().ContainsAnyExceptInRange('!', '~') || value.AsSpan().ContainsAny(',', '=', ';'))
        {
            return;
        }

        if (text.Length > 0)
        {
            text.Append(',');
        }

        text.Append(key).Append('=').Append(value);
    }
}

/// <summary>What a peer says of itself in <c>baggage</c>: for labels only, never for decisions. Null: not said.</summary>
public sealed record PeerBaggage
{
    /// <summary>Nothing said.</summary>
    public static PeerBaggage Empty { get; } = new();

    /// <summary>Cluster.</summary>
    public string? ClusterId { get; init; }

    /// <summary>Namespace.</summary>
    public string? Namespace { get; init; }

    /// <summary>Name of the owning controller.</summary>
    public string? WorkloadName { get; init; }

    /// <summary>Kind of the owning controller.</summary>
    public WorkloadType? WorkloadType { get; init; }

    /// <summary>Canonical service name.</summary>
    public string? CanonicalName { get; init; }

    /// <summary>Canonical service revision.</summary>
    public string? CanonicalRevision { get; init; }

    /// <summary>Region.</summary>
    public string? Region { get; init; }

    /// <summary>Zone.</summary>
    public string? Zone { get; init; }
}
