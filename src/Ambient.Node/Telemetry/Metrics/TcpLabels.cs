using System.Collections.Immutable;
using System.Text;
using Ambient.Mesh;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Node.Telemetry.Metrics;

/// <summary>The labels of Istio's TCP metrics in their order. One text serves every counter of a set, and tells one set from another.</summary>
/// <param name="Text">The text for connections that did not fail.</param>
/// <param name="Flag">Where in the text the value of <c>response_flags</c> is, which is one character.</param>
/// <param name="Parts">The labels that the text is made of, where some of them are changed; else empty: nobody asks for them one by one.</param>
internal sealed record TcpLabels(string Text, int Flag, ImmutableArray<(string Name, string Value)> Parts)
{
    private const string Flags = "response_flags";

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
            source.Known || destination.Known,
            keepParts: parties.Overrides is not null);
    }

    /// <summary>The set where nothing is known.</summary>
    public static TcpLabels Unknown(TrafficDirection direction) => Render(TcpMetrics.ReporterOf(direction), default, default, default, false, false);

    /// <summary>The whole label text with a flag.</summary>
    public MetricLabels With(ResponseFlag flag) => new(flag == ResponseFlag.None ? Text : string.Concat(Text.AsSpan(0, Flag), NameOf(flag), Text.AsSpan(Flag + 1)));

    /// <summary>The labels with a flag, one by one.</summary>
    public (string Name, string Value)[] Pairs(ResponseFlag flag) => [.. Parts.Select(part => part.Name == Flags ? (Flags, NameOf(flag)) : part)];

    private static TcpLabels Render(
        string reporter, PartyLabels source, (string? Hostname, string? Namespace, string? Name) service, PartyLabels destination, bool mutualTls, bool localities, bool keepParts = false)
    {
        List<(string Name, string Value)> parts =
        [
            ("reporter", reporter),
            ("source_workload", Or(source.Workload)),
            ("source_canonical_service", Or(source.Canonical)),
            ("source_canonical_revision", Or(source.Revision)),
            ("source_workload_namespace", Or(source.Namespace)),
            ("source_principal", Or(source.Principal)),
            ("source_app", Or(source.App)),
            ("source_version", Or(source.Revision)),
            ("source_cluster", Or(source.Cluster)),
            ("destination_service", Or(service.Hostname)),
            ("destination_service_namespace", Or(service.Namespace)),
            ("destination_service_name", Or(service.Name)),
            ("destination_workload", Or(destination.Workload)),
            ("destination_canonical_service", Or(destination.Canonical)),
            ("destination_canonical_revision", Or(destination.Revision)),
            ("destination_workload_namespace", Or(destination.Namespace)),
            ("destination_principal", Or(destination.Principal)),
            ("destination_app", Or(destination.App)),
            ("destination_version", Or(destination.Revision)),
            ("destination_cluster", Or(destination.Cluster)),
            ("request_protocol", "tcp"),
            (Flags, NameOf(ResponseFlag.None)),
            ("connection_security_policy", mutualTls ? "mutual_tls" : Unidentified),
        ];
        if (localities)
        {
            parts.AddRange([("source_region", Or(source.Region)), ("source_zone", Or(source.Zone)), ("destination_region", Or(destination.Region)), ("destination_zone", Or(destination.Zone))]);
        }

        var (text, flag) = (Utf8TextBuilder.Rent(), 0);
        foreach (var (name, value) in parts)
        {
            MetricLabels.Append(text, name, value);
            flag = name == Flags ? Encoding.UTF8.GetCharCount(text.Written) - 2 : flag;
        }

        var rendered = Encoding.UTF8.GetString(text.Written);
        text.Return();
        return new TcpLabels(rendered, flag, keepParts ? [.. parts] : []);
    }

    private static string Or(string? value) => string.IsNullOrEmpty(value) ? Unidentified : value;

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
