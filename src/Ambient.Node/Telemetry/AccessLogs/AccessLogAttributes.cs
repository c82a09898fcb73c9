using System.Globalization;

namespace Ambient.Node.Telemetry.AccessLogs;

/// <summary>
/// What CEL calls the things that an access log knows
/// (https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes), as far as they are supported.
/// </summary>
internal static class AccessLogAttributes
{
    /// <summary>A text of an entry; null: it has none.</summary>
    public delegate string? Text(in AccessLogEntry entry);

    /// <summary>A number of an entry; null: it has none.</summary>
    public delegate double? Number(in AccessLogEntry entry);

    /// <summary>Whether something holds of an entry.</summary>
    public delegate bool Truth(in AccessLogEntry entry);

    /// <summary>The attribute that is a text; null: there is none of that name.</summary>
    /// <param name="name">Name.</param>
    /// <param name="key">Key in brackets behind it, or null.</param>
    public static Text? TextOf(string name, string? key) => (name, key) switch
    {
        ("request.method", null) => static (in entry) => entry.Request?.Method,
        ("request.host", null) => static (in entry) => entry.Request?.Authority,
        ("request.scheme", null) => static (in entry) => entry.Request?.Scheme,
        ("request.path", null) => static (in entry) => entry.OriginalTarget,
        ("request.url_path", null) => static (in entry) => entry.OriginalTarget is { } target && target.IndexOf('?', StringComparison.Ordinal) is >= 0 and var query ? target[..query] : entry.OriginalTarget,
        ("request.query", null) => static (in entry) => entry.OriginalTarget is { } target && target.IndexOf('?', StringComparison.Ordinal) is >= 0 and var query ? target[(query + 1)..] : "",
        ("request.useragent", null) => static (in entry) => entry.Request?.Get("user-agent"),
        ("request.referer", null) => static (in entry) => entry.Request?.Get("referer"),
        ("request.id", null) => static (in entry) => entry.Request?.Get("x-request-id"),
        ("request.headers", { } header) => (in entry) => entry.Request?.Get(header),
        ("response.headers", { } header) => (in entry) => entry.Response?.Fields.Get(header),
        ("response.code_details", null) => static (in entry) => entry.CodeDetails,
        ("xds.route_name", null) => static (in entry) => entry.RouteName,
        ("xds.cluster_name", null) => static (in entry) => entry.Cluster.ToString(),
        ("upstream.address", null) => static (in entry) => entry.UpstreamHost?.ToString(),
        ("upstream.transport_failure_reason", null) => static (in entry) => entry.TransportFailure ?? "",
        ("source.address", null) => static (in entry) => entry.RemoteAddress?.ToString(),
        ("destination.address", null) => static (in entry) => entry.LocalAddress?.ToString(),
        ("connection.requested_server_name", null) => static (in entry) => entry.ServerName,
        ("connection.termination_details", null) => static (in entry) => entry.TerminationDetails,
        ("connection.uri_san_peer_certificate", null) => static (in entry) => entry.PeerIdentity?.ToString(),
        _ => null,
    };

    /// <summary>The attribute that is a number; null: there is none of that name.</summary>
    public static Number? NumberOf(string name) => name switch
    {
        "response.code" => static (in entry) => entry.Code,
        "response.grpc_status" => static (in entry) => int.TryParse(entry.GrpcStatus, NumberStyles.None, CultureInfo.InvariantCulture, out var code) ? code : null,
        "request.size" => static (in entry) => entry.BytesReceived,
        "response.size" => static (in entry) => entry.BytesSent,
        "source.port" => static (in entry) => entry.RemoteAddress?.Port,
        "destination.port" => static (in entry) => entry.LocalAddress?.Port,
        _ => null,
    };

    /// <summary>The attribute that holds or does not; null: there is none of that name.</summary>
    public static Truth? TruthOf(string name) => name switch
    {
        // The client's own connection: in Envoy's waypoint only the tunnel around it has a certificate, and this never holds.
        "connection.mtls" => static (in entry) => entry.PeerIdentity is not null,
        _ => null,
    };

    /// <summary>What a literal of CEL says; null: it is an expression.</summary>
    public static string? LiteralOf(string value) =>
        value.Length >= 2 && value[0] is '\'' or '"' && value[^1] == value[0] && !value.AsSpan(1, value.Length - 2).ContainsAny(value[0], '\\') ? value[1..^1]
        : value is "true" or "false" || long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _) ? value
        : null;

    /// <summary>
    /// The attribute that an expression is alone, as text; null: it is more than that, or not known. One with a key is written
    /// <c>request.headers['x-team']</c>.
    /// </summary>
    public static Text? Of(string expression)
    {
        var (name, key) = (expression.Trim(), (string?)null);
        if (name.EndsWith(']') && name.IndexOf('[', StringComparison.Ordinal) is > 0 and var open)
        {
            var quoted = name.AsSpan(open + 1, name.Length - open - 2).Trim();
            if (quoted.Length < 2 || quoted[0] is not ('\'' or '"') || quoted[^1] != quoted[0] || quoted[1..^1].ContainsAny(quoted[0], '\\'))
            {
                return null;
            }

            (name, key) = (name[..open].Trim(), quoted[1..^1].ToString());
        }

        if (TextOf(name, key) is { } text)
        {
            return text;
        }

        return key is not null ? null
            : NumberOf(name) is { } number ? (in entry) => number(entry)?.ToString(CultureInfo.InvariantCulture)
            : TruthOf(name) is { } truth ? (in entry) => truth(entry) ? "true" : "false"
            : null;
    }
}
