using System.Net;
using System.Text;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Connections;

/// <summary>Values of the headers that tunnels carry beside the authority: <c>baggage</c> (W3C Baggage) and <c>forwarded</c> (RFC 7239).</summary>
public static class ConnectHeaders
{
    // Names of Kubernetes, and of DNS, are no longer than this. What a peer says beyond it identifies nothing, and is kept for as long as
    // the process runs.
    private const int MaxValueLength = 253;

    // What W3C Baggage 3.3.2 asks to be passed on at least; far beyond the seven values of Istio.
    private const int MaxBaggageLength = 8192;

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

    /// <summary>
    /// The <c>host</c> parameter of a received <c>forwarded</c> value, without quotes. Null when there is none, or when it is longer than
    /// the name of a host with a port can be.
    /// </summary>
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
                return host.Length is 0 or > MaxValueLength + 6 ? null : host.ToString();
            }
        }

        return null;
    }

    /// <summary>
    /// Reads a received <c>baggage</c> value (several lines joined with a comma). Unknown keys are ignored, of a key that occurs twice the last
    /// one counts. A value is cut to 253 characters, and whatever comes after the first 8192 characters is not read: what a peer says of itself
    /// ends up in metrics and tables, and must not be able to fill them.
    /// </summary>
    public static PeerBaggage ParseBaggage(string? baggage)
    {
        var peer = PeerBaggage.Empty;
        var text = baggage.AsSpan();
        if (text.Length > MaxBaggageLength)
        {
            // Half an entry says something else than the whole one.
            var last = text[..(MaxBaggageLength + 1)].LastIndexOf(',');
            text = last < 0 ? [] : text[..last];
        }

        foreach (var range in text.Split(','))
        {
            var entry = text[range].Trim();
            var equals = entry.IndexOf('=');
            if (equals <= 0)
            {
                continue;
            }

            var value = entry[(equals + 1)..];
            value = value.IndexOf('=') is >= 0 and var second ? value[..second] : value;
            if (!value.IsEmpty)
            {
                peer = With(peer, entry[..equals], value);
            }
        }

        return peer;
    }

    private static PeerBaggage With(PeerBaggage peer, ReadOnlySpan<char> key, ReadOnlySpan<char> value) => key switch
    {
        "k8s.cluster.name" => peer with { ClusterId = Cut(value) },
        "k8s.namespace.name" => peer with { Namespace = Cut(value) },
        "k8s.deployment.name" => peer with { WorkloadName = Cut(value), WorkloadType = WorkloadType.Deployment },
        "k8s.cronjob.name" => peer with { WorkloadName = Cut(value), WorkloadType = WorkloadType.CronJob },
        "k8s.pod.name" => peer with { WorkloadName = Cut(value), WorkloadType = WorkloadType.Pod },
        "k8s.job.name" => peer with { WorkloadName = Cut(value), WorkloadType = WorkloadType.Job },
        "service.name" => peer with { CanonicalName = Cut(value) },
        "service.version" => peer with { CanonicalRevision = Cut(value) },
        "cloud.region" => peer with { Region = Cut(value) },
        "cloud.availability_zone" => peer with { Zone = Cut(value) },
        _ => peer,
    };

    private static string Cut(ReadOnlySpan<char> value)
    {
        if (value.Length > MaxValueLength)
        {
            // Not through a character that takes two.
            value = value[..(char.IsHighSurrogate(value[MaxValueLength - 1]) ? MaxValueLength - 1 : MaxValueLength)];
        }

        return value.ToString();
    }

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

/// <summary>
/// What a peer says of itself in <c>baggage</c>: for labels only, never for decisions. Null: not said. Values that were read from a header are
/// at most 253 characters long.
/// </summary>
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
