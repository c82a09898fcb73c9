using Ambient.Mesh;
using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Capture.Dns;

/// <summary>What is counted of questions for names, under the original's names (ztunnel <c>dns/metrics.rs</c>).</summary>
internal sealed class DnsMetrics(MetricRegistry registry)
{
    private static readonly double[] s_bounds = [0.0005, 0.001, 0.01, 0.1, 1, 5];

    private readonly CounterFamily _requests = registry.Add(new CounterFamily("istio_dns_requests", "Total number of DNS requests (unstable)."));

    private readonly CounterFamily _forwarded = registry.Add(new CounterFamily("istio_dns_upstream_requests", "Total number of DNS requests forwarded to upstream (unstable)."));

    private readonly CounterFamily _failed = registry.Add(new CounterFamily("istio_dns_upstream_failures", "Total number of DNS requests forwarded to upstream that failed (unstable)."));

    private readonly HistogramFamily _durations = registry.Add(
        new HistogramFamily("istio_dns_upstream_request_duration_seconds", "Total time in seconds Istio takes to get DNS response from upstream (unstable).", s_bounds));

    /// <summary>The labels of a query.</summary>
    public static MetricLabels LabelsOf(in DnsQuery query, bool tcp, Workload? client) => MetricLabels.Of(
        ("request_query_type", TypeName(query.Type)),
        ("request_protocol", tcp ? "tcp" : "udp"),
        ("source_canonical_service", client?.CanonicalName is { Length: > 0 } name ? name : "unknown"),
        ("source_canonical_revision", client?.CanonicalRevision is { Length: > 0 } revision ? revision : "unknown"));

    /// <summary>A query came.</summary>
    public void Asked(MetricLabels labels) => _requests.Series(labels).Increment();

    /// <summary>Another server was asked.</summary>
    public void Forwarded(MetricLabels labels, TimeSpan duration, bool answered)
    {
        _forwarded.Series(labels).Increment();
        _durations.Series(labels).Observe(duration.TotalSeconds);
        if (!answered)
        {
            _failed.Series(labels).Increment();
        }
    }

    /// <summary>A client's number is a label only where it has a name: labels must stay few.</summary>
    public static string TypeName(ushort type) => type switch
    {
        1 => "a",
        2 => "ns",
        5 => "cname",
        6 => "soa",
        10 => "null",
        12 => "ptr",
        13 => "hinfo",
        15 => "mx",
        16 => "txt",
        24 => "sig",
        25 => "key",
        28 => "aaaa",
        33 => "srv",
        35 => "naptr",
        43 => "ds",
        44 => "sshfp",
        46 => "rrsig",
        47 => "nsec",
        48 => "dnskey",
        50 => "nsec3",
        51 => "nsec3param",
        52 => "tlsa",
        59 => "cds",
        60 => "cdnskey",
        61 => "openpgpkey",
        62 => "csync",
        64 => "svcb",
        65 => "https",
        250 => "tsig",
        251 => "ixfr",
        252 => "axfr",
        255 => "any",
        257 => "caa",
        _ => "unknown",
    };
}
