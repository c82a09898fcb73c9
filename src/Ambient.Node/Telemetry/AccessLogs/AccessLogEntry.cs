using System.Diagnostics;
using System.Net;
using Ambient.Http;
using Ambient.Identity;

namespace Ambient.Node.Telemetry.AccessLogs;

/// <summary>What a line of the access log can be about: a request or an opaque connection that has ended, as far as it is known.</summary>
internal readonly struct AccessLogEntry
{
    /// <summary>When it began.</summary>
    public DateTimeOffset Started { get; init; }

    /// <summary>Whether it is a connection of which nothing but bytes is known.</summary>
    public bool IsOpaque { get; init; }

    /// <summary>Why the proxy ended the connection, in Envoy's words; null: it did not.</summary>
    public string? TerminationDetails { get; init; }

    /// <summary>From its head to the end of its answer.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>The request as it was sent; null where none was understood.</summary>
    public RequestHead? Request { get; init; }

    /// <summary>The answer; null where there was none.</summary>
    public ResponseHead? Response { get; init; }

    /// <summary>Path and query as they came, or null.</summary>
    public string? OriginalTarget { get; init; }

    /// <summary>HTTP status; 0 when the client went away.</summary>
    public int Code { get; init; }

    /// <summary>gRPC status, or null.</summary>
    public string? GrpcStatus { get; init; }

    /// <summary>Envoy's flags; <c>-</c> for none.</summary>
    public string Flags { get; init; }

    /// <summary>Who answered and why, in Envoy's words; null: not known.</summary>
    public string? CodeDetails { get; init; }

    /// <summary>Why no connection to the endpoint came about; null where one did.</summary>
    public string? TransportFailure { get; init; }

    /// <summary>Bytes of the request's body.</summary>
    public long BytesReceived { get; init; }

    /// <summary>Bytes of the answer's body.</summary>
    public long BytesSent { get; init; }

    /// <summary>The endpoint that was asked last, or null.</summary>
    public IPEndPoint? UpstreamHost { get; init; }

    /// <summary>Whether that was reached through a tunnel.</summary>
    public bool IsTunnelled { get; init; }

    /// <summary>Whether that tunnel leads through another network's gateway.</summary>
    public bool IsTunnelledTwice { get; init; }

    /// <summary>The service that was asked, as Envoy names its clusters.</summary>
    public ClusterName Cluster { get; init; }

    /// <summary>Where the client asked for.</summary>
    public IPEndPoint? LocalAddress { get; init; }

    /// <summary>The client.</summary>
    public IPEndPoint? RemoteAddress { get; init; }

    /// <summary>Server name of the client's TLS, or null.</summary>
    public string? ServerName { get; init; }

    /// <summary>The route that was taken, or null.</summary>
    public string? RouteName { get; init; }

    /// <summary>Who the client is by its certificate, or null.</summary>
    public SpiffeId? PeerIdentity { get; init; }

    /// <summary>The request's trace; all zeros: it has none.</summary>
    public ActivityTraceId TraceId { get; init; }

    /// <summary>The proxy's span in it; all zeros: it has none.</summary>
    public ActivitySpanId SpanId { get; init; }
}

/// <summary>The name that Envoy has for a service's cluster, in its parts.</summary>
/// <param name="IsInbound">Whether a waypoint serves it for the service itself (<c>inbound-vip</c>).</param>
/// <param name="Port">Port of the service.</param>
/// <param name="Subset">Subset, or null.</param>
/// <param name="Hostname">Host name of the service; null: there is no cluster.</param>
internal readonly record struct ClusterName(bool IsInbound, int Port, string? Subset, string? Hostname)
{
    /// <summary>Whether it is the one for what is not HTTP.</summary>
    public bool IsTcp { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Hostname is null ? ""
        : IsInbound ? $"inbound-vip|{Port}|{(IsTcp ? "tcp" : "http")}{(Subset is null ? "" : "/")}{Subset}|{Hostname}"
        : $"outbound|{Port}|{Subset}|{Hostname}";
}
