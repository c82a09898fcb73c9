using System.Buffers;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Ambient.Http;
using Ambient.Mesh;

namespace Ambient.Node.Telemetry.AccessLogs;

/// <summary>
/// Form of a line of the access log, compiled from a text with Envoy's operators
/// (https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage). Values are escaped, so that none of them can end a line
/// or a quoted text, and cut after <see cref="MaxValue"/> characters.
/// </summary>
internal sealed class AccessLogTemplate
{
    /// <summary>Most characters of a value.</summary>
    public const int MaxValue = 4096;

    /// <summary>Istio's default text.</summary>
    public const string DefaultText =
        "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% "
        + "%CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
        + "\"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER% "
        + "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%";

    // Keys and operators of Istio's default object.
    private static readonly (string Key, string Text)[] s_defaultFields =
    [
        ("start_time", "%START_TIME%"), ("route_name", "%ROUTE_NAME%"), ("method", "%REQ(:METHOD)%"), ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"), ("protocol", "%PROTOCOL%"),
        ("response_code", "%RESPONSE_CODE%"), ("response_flags", "%RESPONSE_FLAGS%"), ("response_code_details", "%RESPONSE_CODE_DETAILS%"),
        ("connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%"), ("bytes_received", "%BYTES_RECEIVED%"), ("bytes_sent", "%BYTES_SENT%"),
        ("duration", "%DURATION%"), ("upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"), ("x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"),
        ("user_agent", "%REQ(USER-AGENT)%"), ("request_id", "%REQ(X-REQUEST-ID)%"), ("authority", "%REQ(:AUTHORITY)%"), ("upstream_host", "%UPSTREAM_HOST%"),
        ("upstream_cluster", "%UPSTREAM_CLUSTER%"), ("upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"), ("downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"),
        ("downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"), ("requested_server_name", "%REQUESTED_SERVER_NAME%"),
        ("upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"),
    ];

    private static readonly SearchValues<byte> s_harmless = SearchValues.Create(Encoding.ASCII.GetBytes(
        " !#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}~"));

    private readonly Shape _shape;
    private readonly bool _isJson;
    private readonly bool _omits;

    private AccessLogTemplate(Shape shape, bool isJson, bool omits) => (_shape, _isJson, _omits) = (shape, isJson, omits);

    /// <summary>Istio's default text, compiled.</summary>
    public static AccessLogTemplate Text { get; } = Of(new AccessLogFormat(false, null));

    /// <summary>Compiles a form.</summary>
    /// <param name="format">The form.</param>
    /// <param name="unknown">Takes what of it is not known, and then has no value; null: that is an error.</param>
    /// <param name="isRaw">Whether values are written as they are, for somebody who does not read lines.</param>
    /// <exception cref="FormatException">It is none; the message says why.</exception>
    public static AccessLogTemplate Of(AccessLogFormat format, ICollection<string>? unknown = null, bool isRaw = false)
    {
        ArgumentNullException.ThrowIfNull(format);
        var parser = new AccessLogParser(unknown, isRaw);
        var shape = !format.IsJson ? new Shape(parser.Parse((format.Format ?? DefaultText).TrimEnd('\n')))
            : format.Format is { } text ? ShapeOf(text, parser)
            : new Shape(null, [.. s_defaultFields.Select(field => (KeyOf(field.Key), new Shape(parser.Parse(field.Text))))]);
        return new AccessLogTemplate(shape, format.IsJson, format.OmitsEmptyValues);
    }

    /// <summary>Appends a line, without its end.</summary>
    public void Write(Utf8TextBuilder line, in AccessLogEntry entry)
    {
        if (_isJson)
        {
            WriteJson(line, _shape, entry);
            return;
        }

        WriteParts(line, _shape.Parts!, entry);
    }

    private void WriteParts(Utf8TextBuilder line, AccessLogPart[] parts, in AccessLogEntry entry)
    {
        foreach (var part in parts)
        {
            if (part.Operator == AccessLogOperator.None)
            {
                line.Append(part.Literal);
            }
            else if (!WriteValue(line, part, entry) && !_omits)
            {
                line.Append("-"u8);
            }
        }
    }

    /// <summary>Appends a value of JSON; false where it is null.</summary>
    private bool WriteJson(Utf8TextBuilder line, Shape shape, in AccessLogEntry entry)
    {
        if (shape.Json is { } json)
        {
            line.Append(json);
            return true;
        }

        if (shape.Parts is { } parts)
        {
            return WriteJson(line, parts, entry);
        }

        line.Append(shape.IsList ? "["u8 : "{"u8);
        var isFirst = true;
        foreach (var (key, field) in shape.Fields!)
        {
            var begin = line.Written.Length;
            line.Append(isFirst ? ""u8 : ","u8).Append(key);
            if (WriteJson(line, field, entry) || !_omits || shape.IsList)
            {
                isFirst = false;
            }
            else
            {
                line.Truncate(begin);
            }
        }

        line.Append(shape.IsList ? "]"u8 : "}"u8);
        return true;
    }

    private bool WriteJson(Utf8TextBuilder line, AccessLogPart[] parts, in AccessLogEntry entry)
    {
        // A value that is one operator keeps its type.
        if (parts is [{ Operator: not AccessLogOperator.None } single])
        {
            if (single.Operator is AccessLogOperator.ResponseCode or AccessLogOperator.BytesReceived or AccessLogOperator.BytesSent or AccessLogOperator.Duration)
            {
                return WriteValue(line, single, entry);
            }

            var begin = line.Written.Length;
            line.Append("\""u8);
            if (WriteValue(line, single, entry))
            {
                line.Append("\""u8);
                return true;
            }

            line.Truncate(begin);
            line.Append("null"u8);
            return false;
        }

        line.Append("\""u8);
        foreach (var part in parts)
        {
            if (part.Operator == AccessLogOperator.None)
            {
                line.AppendJsonEscaped(Encoding.UTF8.GetString(part.Literal));
            }
            else if (!WriteValue(line, part, entry) && !_omits)
            {
                line.Append("-"u8);
            }
        }

        line.Append("\""u8);
        return true;
    }

    /// <summary>Appends the value of an operator; false when it has none.</summary>
    private static bool WriteValue(Utf8TextBuilder line, AccessLogPart part, in AccessLogEntry entry) => part.Operator switch
    {
        AccessLogOperator.StartTime => Time(line, part, entry.Started),
        AccessLogOperator.Request => WriteHeader(line, part, part.Name, entry) || (part.Alternative is { } other && WriteHeader(line, part, other, entry)),
        AccessLogOperator.Response => entry.Response is { } response && (Field(line, part, response.Fields, part.Name) || (part.Alternative is { } other && Field(line, part, response.Fields, other))),
        AccessLogOperator.Protocol => !entry.IsOpaque && Put(line, part, entry.Request is { } head ? NameOf(head.Version) : "HTTP/1.1"),
        AccessLogOperator.ResponseCode => Number(line, entry.Code),
        AccessLogOperator.ResponseFlags => Put(line, part, entry.Flags),
        AccessLogOperator.CodeDetails => Put(line, part, entry.CodeDetails),
        AccessLogOperator.TerminationDetails => Put(line, part, entry.TerminationDetails),
        AccessLogOperator.TransportFailure => Put(line, part, entry.TransportFailure),
        AccessLogOperator.BytesReceived => Number(line, entry.BytesReceived),
        AccessLogOperator.BytesSent => Number(line, entry.BytesSent),
        AccessLogOperator.Duration => Number(line, (long)entry.Duration.TotalMilliseconds),
        AccessLogOperator.UpstreamHost => entry.UpstreamHost is { } host && Address(
            line, host, entry.IsTunnelledTwice ? "envoy://inner_connect_originate/"u8 : entry.IsTunnelled ? "envoy://connect_originate/"u8 : default),
        AccessLogOperator.UpstreamCluster => Cluster(line, entry.Cluster),
        AccessLogOperator.UpstreamLocalAddress => entry is { UpstreamHost: not null, IsTunnelled: true } && Literal(line, "envoy://internal_client_address/"u8),
        AccessLogOperator.DownstreamLocalAddress => Address(line, entry.LocalAddress),
        AccessLogOperator.DownstreamLocalHost => Host(line, entry.LocalAddress),
        AccessLogOperator.DownstreamLocalPort => entry.LocalAddress is { } local && Number(line, local.Port),
        AccessLogOperator.DownstreamRemoteAddress => Address(line, entry.RemoteAddress),
        AccessLogOperator.DownstreamRemoteHost => Host(line, entry.RemoteAddress),
        AccessLogOperator.DownstreamRemotePort => entry.RemoteAddress is { } remote && Number(line, remote.Port),
        AccessLogOperator.ServerName => Put(line, part, entry.ServerName),
        AccessLogOperator.RouteName => Put(line, part, entry.RouteName),
        AccessLogOperator.GrpcStatus => Put(line, part, entry.GrpcStatus),
        AccessLogOperator.TraceId => entry.TraceId != default && Put(line, part, entry.TraceId.ToHexString()),
        AccessLogOperator.PeerIdentity => Put(line, part, entry.PeerIdentity?.ToString()),
        _ => false,
    };

    private static bool WriteHeader(Utf8TextBuilder line, AccessLogPart part, string name, in AccessLogEntry entry) => (entry.Request, name) switch
    {
        (null, _) => false,
        (_, "x-envoy-original-path") => Put(line, part, entry.OriginalTarget),
        (var head, ":method") => Put(line, part, head.Method),
        (var head, ":path") => Put(line, part, head.Target),
        (var head, ":authority" or "host") => Put(line, part, head.Authority),
        (var head, ":scheme") => Put(line, part, head.Scheme),
        var (head, _) => Field(line, part, head.Fields, name),
    };

    private static bool Field(Utf8TextBuilder line, AccessLogPart part, HttpFields fields, string name)
    {
        if (!fields.TryGet(name, out var value))
        {
            return false;
        }

        // Nearly every value has nothing to escape, and is copied.
        var max = Math.Min(part.MaxLength, MaxValue);
        if (value.Length <= max && !value.ContainsAnyExcept(s_harmless))
        {
            line.Append(value);
            return true;
        }

        return Put(line, part, Encoding.UTF8.GetString(value));
    }

    private static bool Put(Utf8TextBuilder line, AccessLogPart part, string? value)
    {
        if (string.IsNullOrEmpty(value))
        {
            return false;
        }

        var kept = value.AsSpan(0, Math.Min(value.Length, Math.Min(part.MaxLength, MaxValue)));
        if (part.IsRaw)
        {
            line.Advance(Encoding.UTF8.GetBytes(kept, line.GetSpan(kept.Length * 3)));
        }
        else
        {
            line.AppendJsonEscaped(kept);
        }

        return true;
    }

    private static bool Number(Utf8TextBuilder line, long value)
    {
        line.Append(value);
        return true;
    }

    private static bool Literal(Utf8TextBuilder line, ReadOnlySpan<byte> value)
    {
        line.Append(value);
        return true;
    }

    private static bool Address(Utf8TextBuilder line, IPEndPoint? address, ReadOnlySpan<byte> prefix = default)
    {
        if (address is null)
        {
            return false;
        }

        line.Append(prefix).Append(address);
        return true;
    }

    private static bool Host(Utf8TextBuilder line, IPEndPoint? address)
    {
        if (address is null)
        {
            return false;
        }

        address.Address.TryFormat(line.GetSpan(65), out var written);
        line.Advance(written);
        return true;
    }

    private static bool Cluster(Utf8TextBuilder line, in ClusterName cluster)
    {
        if (cluster.Hostname is not { } hostname)
        {
            return false;
        }

        line.Append(cluster.IsInbound ? "inbound-vip|"u8 : "outbound|"u8).Append(cluster.Port).Append("|"u8);
        if (cluster.IsInbound)
        {
            line.Append(cluster.IsTcp ? "tcp"u8 : "http"u8).Append(cluster.Subset is null ? ""u8 : "/"u8);
        }

        line.AppendJsonEscaped(cluster.Subset).Append("|"u8).AppendJsonEscaped(hostname);
        return true;
    }

    private static bool Time(Utf8TextBuilder line, AccessLogPart part, DateTimeOffset time)
    {
        time.UtcDateTime.TryFormat(line.GetSpan(256), out var written, part.Name.Length > 0 ? part.Name : "yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);
        line.Advance(written);
        return true;
    }

    private static string NameOf(HttpProtocolVersion version) => version switch
    {
        HttpProtocolVersion.Http2 => "HTTP/2",
        HttpProtocolVersion.Http10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    };

    private static byte[] KeyOf(string name) => Encoding.UTF8.GetBytes($"\"{JsonEncodedText.Encode(name)}\":");

    private static Shape ShapeOf(string json, AccessLogParser parser)
    {
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 8 });
            return document.RootElement.ValueKind == JsonValueKind.Object ? ShapeOf(document.RootElement, parser) : throw new FormatException("expected a JSON object");
        }
        catch (JsonException e)
        {
            throw new FormatException($"not JSON: {e.Message}", e);
        }
    }

    private static Shape ShapeOf(JsonElement element, AccessLogParser parser) => element.ValueKind switch
    {
        JsonValueKind.String => new Shape(parser.Parse(element.GetString()!)),
        JsonValueKind.Object => new Shape(null, [.. element.EnumerateObject().Select(field => (KeyOf(field.Name), ShapeOf(field.Value, parser)))]),
        JsonValueKind.Array => new Shape(null, [.. element.EnumerateArray().Select(item => (Array.Empty<byte>(), ShapeOf(item, parser)))]) { IsList = true },
        _ => new Shape(null) { Json = Encoding.UTF8.GetBytes(element.GetRawText()) },
    };

    /// <summary>What is written: a text with operators, an object or list of such, or JSON as it is.</summary>
    private sealed record Shape(AccessLogPart[]? Parts, (byte[] Key, Shape Value)[]? Fields = null)
    {
        public bool IsList { get; init; }

        public byte[]? Json { get; init; }
    }
}
