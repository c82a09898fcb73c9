using System.Text;
using Ambient.Mesh;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Node.Telemetry.Metrics;

/// <summary>The labels of Istio's TCP metrics in their order. One text serves every counter of a set, and tells one set from another.</summary>
/// <param name="Text">The text for connections that did not fail.</param>
/// <param name="Flag">Where in the text the value of <c>response_flags</c> is, which is one character.</param>
internal sealed record TcpLabels(string Text, int Flag)
{
    private const string Unidentified = "unknown";

    /// <summary>The labels of a connection.</summary>
    public static TcpLabels Of(ConnectionParties parties)
    {
        ArgumentNullException.ThrowIfNull(parties);
        var source = PartyLabels.OfSource(parties);
        var destination = PartyLabels.OfDestination(parties);
        var service = parties.Service;
        return Render(
            parties.Reporter ?? TcpMetrics.ReporterOf(parties.Direction),
            source,
            service is null ? default : (service.Hostname, service.Namespace, service.Name),
            destination,
            parties.MutualTls,
            source.Known || destination.Known);
    }

    /// <summary>The set where nothing is known.</summary>
    public static TcpLabels Unknown(TrafficDirection direction) => Render(TcpMetrics.ReporterOf(direction), default, default, default, false, false);

    /// <summary>The whole label text with a flag.</summary>
    public MetricLabels With(ResponseFlag flag) => new(flag == ResponseFlag.None ? Text : string.Concat(Text.AsSpan(0, Flag), NameOf(flag), Text.AsSpan(Flag + 1)));

    private static TcpLabels Render(
        string reporter, PartyLabels source, (string? Hostname, string? Namespace, string? Name) service, PartyLabels destination, bool mutualTls, bool localities)
    {
        var text = Utf8TextBuilder.Rent();
        Add(text, "reporter", reporter);
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
        Add(text, "destination_workload", destination.Workload);
        Add(text, "destination_canonical_service", destination.Canonical);
        Add(text, "destination_canonical_revision", destination.Revision);
        Add(text, "destination_workload_namespace", destination.Namespace);
        Add(text, "destination_principal", destination.Principal);
        Add(text, "destination_app", destination.App);
        Add(text, "destination_version", destination.Revision);
        Add(text, "destination_cluster", destination.Cluster);
        Add(text, "request_protocol", "tcp");
        Add(text, "response_flags", NameOf(ResponseFlag.None));
        var flag = Encoding.UTF8.GetCharCount(text.Written) - 2;
        Add(text, "connection_security_policy", mutualTls ? "mutual_tls" : Unidentified);
        if (localities)
        {
            Add(text, "source_region", source.Region);
            Add(text, "source_zone", source.Zone);
            Add(text, "destination_region", destination.Region);
            Add(text, "destination_zone", destination.Zone);
        }

        var rendered = Encoding.UTF8.GetString(text.Written);
        text.Return();
        return new TcpLabels(rendered, flag);
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
        ResponseFlag.CertRevoked => "CERT_REVOKED",
        _ => "-",
    };

    /// <summary>One side.</summary>
    private readonly record struct PartyLabels(
        string? Workload, string? Canonical, string? Revision, string? Namespace, string? Principal, string? App, string? Cluster, string? Region, string? Zone)
    {
        public bool Known => Workload is not null || Namespace is not null;

        /// <summary>The client's side: the mesh's word goes before the peer's own.</summary>
        public static PartyLabels OfSource(ConnectionParties parties)
        {
            var principal = parties.SourceIdentity?.ToString();
            return parties.SourceWorkload is { } known ? Of(known, principal)
                : parties.SourceBaggage is { } told ? Of(told, principal)
                : default(PartyLabels) with { Principal = principal };
        }

        /// <summary>The server's side: who answered goes before who was on the way to it.</summary>
        public static PartyLabels OfDestination(ConnectionParties parties)
        {
            var principal = (parties.DestinationPeer?.Identity ?? parties.DestinationWorkload?.Identity)?.ToString();
            return parties.DestinationPeer?.Baggage is { } told ? Of(told, principal)
                : parties.DestinationWorkload is { } known ? Of(known, principal)
                : default(PartyLabels) with { Principal = principal };
        }

        private static PartyLabels Of(Workload known, string? principal) => new(
            known.WorkloadName, known.CanonicalName, known.CanonicalRevision, known.Namespace, principal, known.CanonicalName, known.ClusterId, known.Locality.Region, known.Locality.Zone);

        // The reference takes the app's name from the workload here, not from the canonical service.
        private static PartyLabels Of(PeerBaggage told, string? principal) => new(
            told.WorkloadName, told.CanonicalName, told.CanonicalRevision, told.Namespace, principal, told.WorkloadName, told.ClusterId, told.Region, told.Zone);
    }
}
