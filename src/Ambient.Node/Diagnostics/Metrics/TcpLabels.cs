using System.Text;
using Ambient.Mesh;
using Ambient.Node.Diagnostics.AccessLog;

namespace Ambient.Node.Diagnostics.Metrics;

/// <summary>The labels of Istio's TCP metrics in their order, rendered once: what comes before the response flag, and what comes after.</summary>
internal sealed record TcpLabels(string Before, string After)
{
    private const string Unidentified = "unknown";

    /// <summary>Identifies the set, whatever the flag.</summary>
    public string Key { get; } = Before + After;

    /// <summary>The labels of a connection.</summary>
    public static TcpLabels Of(ConnectionParties parties)
    {
        ArgumentNullException.ThrowIfNull(parties);
        var source = SourceLabels.Of(parties);
        var destination = parties.DestinationWorkload;
        var service = parties.Service;
        var localities = source.Known || destination is not null;
        return Render(
            parties.Direction,
            source,
            service is null ? default : (service.Hostname, service.Namespace, service.Name),
            destination,
            parties.MutualTls,
            localities);
    }

    /// <summary>The set where nothing is known.</summary>
    public static TcpLabels Unknown(TrafficDirection direction) => Render(direction, default, default, null, false, false);

    /// <summary>The whole label text with a flag.</summary>
    public MetricLabels With(ResponseFlag flag) => new($"{Before},response_flags=\"{NameOf(flag)}\",{After}");

    private static TcpLabels Render(
        TrafficDirection direction, SourceLabels source, (string? Hostname, string? Namespace, string? Name) service, Workload? destination, bool mutualTls, bool localities)
    {
        var text = Utf8TextBuilder.Rent();
        Add(text, "reporter", TcpMetrics.ReporterOf(direction));
        Add(text, "source_workload", source.Workload);
        Add(text, "source_canonical_service", source.Canonical);
        Add(text, "source_canonical_revision", source.Revision);
        Add(text, "source_workload_namespace", source.Namespace);
        Add(text, "source_principal", source.Principal);
        Add(text, "source_app", source.App);
        Add(text, "source_version", source.Revision);
        Add(text, "source_cluster", source.Cluster);
        Add(text, "destination_service", service.Hostname);
        Add(text, "destination_service_namespace", service.Namespace);
        Add(text, "destination_service_name", service.Name);
        Add(text, "destination_workload", destination?.WorkloadName);
        Add(text, "destination_canonical_service", destination?.CanonicalName);
        Add(text, "destination_canonical_revision", destination?.CanonicalRevision);
        Add(text, "destination_workload_namespace", destination?.Namespace);
        Add(text, "destination_principal", destination?.Identity.ToString());
        Add(text, "destination_app", destination?.CanonicalName);
        Add(text, "destination_version", destination?.CanonicalRevision);
        Add(text, "destination_cluster", destination?.ClusterId);
        Add(text, "request_protocol", "tcp");
        var before = Encoding.UTF8.GetString(text.Written);
        text.Clear();
        Add(text, "connection_security_policy", mutualTls ? "mutual_tls" : Unidentified);
        if (localities)
        {
            Add(text, "source_region", source.Region);
            Add(text, "source_zone", source.Zone);
            Add(text, "destination_region", destination?.Locality.Region);
            Add(text, "destination_zone", destination?.Locality.Zone);
        }

        var after = Encoding.UTF8.GetString(text.Written);
        text.Return();
        return new TcpLabels(before, after);
    }

    private static void Add(Utf8TextBuilder text, string name, string? value) =>
        MetricLabels.Append(text, name, string.IsNullOrEmpty(value) ? Unidentified : value);

    private static string NameOf(ResponseFlag flag) => flag switch
    {
        ResponseFlag.Deny => "DENY",
        ResponseFlag.Connect => "CONNECT",
        ResponseFlag.TlsFailure => "TLS_FAILURE",
        ResponseFlag.Http2Handshake => "H2_HANDSHAKE_FAILURE",
        ResponseFlag.NetworkPolicy => "NETWORK_POLICY",
        ResponseFlag.IdentityError => "IDENTITY_ERROR",
        _ => "-",
    };

    /// <summary>The client's side: the mesh's word goes before the peer's own.</summary>
    private readonly record struct SourceLabels(
        string? Workload, string? Canonical, string? Revision, string? Namespace, string? Principal, string? App, string? Cluster, string? Region, string? Zone)
    {
        public bool Known => Workload is not null || Namespace is not null;

        public static SourceLabels Of(ConnectionParties parties)
        {
            var principal = parties.SourceIdentity?.ToString();
            if (parties.SourceWorkload is { } known)
            {
                return new(known.WorkloadName, known.CanonicalName, known.CanonicalRevision, known.Namespace, principal, known.CanonicalName, known.ClusterId, known.Locality.Region, known.Locality.Zone);
            }

            // The reference takes the app's name from the workload here, not from the canonical service.
            return parties.SourceBaggage is { } told
                ? new(told.WorkloadName, told.CanonicalName, told.CanonicalRevision, told.Namespace, principal, told.WorkloadName, told.ClusterId, told.Region, told.Zone)
                : new(null, null, null, null, principal, null, null, null, null);
        }
    }
}
