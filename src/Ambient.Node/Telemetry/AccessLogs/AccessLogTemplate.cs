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

    private static readonly Dictionary<string, Command> s_commands = new(StringComparer.Ordinal)
    {
        ["PROTOCOL"] = Command.Protocol,
        ["RESPONSE_CODE"] = Command.ResponseCode,
        ["RESPONSE_FLAGS"] = Command.ResponseFlags,
        ["RESPONSE_CODE_DETAILS"] = Command.CodeDetails,
        ["CONNECTION_TERMINATION_DETAILS"] = Command.TerminationDetails,
        ["UPSTREAM_TRANSPORT_FAILURE_REASON"] = Command.TransportFailure,
        ["BYTES_RECEIVED"] = Command.BytesReceived,
        ["BYTES_SENT"] = Command.BytesSent,
        ["DURATION"] = Command.Duration,
        ["UPSTREAM_HOST"] = Command.UpstreamHost,
        ["UPSTREAM_CLUSTER"] = Command.UpstreamCluster,
        ["UPSTREAM_CLUSTER_RAW"] = Command.UpstreamCluster,
        ["UPSTREAM_LOCAL_ADDRESS"] = Command.UpstreamLocalAddress,
        ["DOWNSTREAM_LOCAL_ADDRESS"] = Command.DownstreamLocalAddress,
        ["DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT"] = Command.DownstreamLocalHost,
        ["DOWNSTREAM_LOCAL_PORT"] = Command.DownstreamLocalPort,
        ["DOWNSTREAM_REMOTE_ADDRESS"] = Command.DownstreamRemoteAddress,
        ["DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT"] = Command.DownstreamRemoteHost,
        ["DOWNSTREAM_REMOTE_PORT"] = Command.DownstreamRemotePort,
        ["DOWNSTREAM_DIRECT_REMOTE_ADDRESS"] = Command.DownstreamRemoteAddress,
        ["DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT"] = Command.DownstreamRemoteHost,
        ["REQUESTED_SERVER_NAME"] = Command.ServerName,
        ["ROUTE_NAME"] = Command.RouteName,
        ["GRPC_STATUS_NUMBER"] = Command.GrpcStatus,
    };

    private readonly (byte[] Key, Part[] Parts)[] _fields;
    private readonly bool _isJson;

    private AccessLogTemplate((byte[] Key, Part[] Parts)[] fields, bool isJson) => (_fields, _isJson) = (fields, isJson);

    /// <summary>Istio's default text, compiled.</summary>
    public static AccessLogTemplate Text { get; } = Of(new AccessLogFormat(false, null));

    /// <summary>Compiles a form.</summary>
    /// <exception cref="FormatException">It is none; the message says why.</exception>
    public static AccessLogTemplate Of(AccessLogFormat format)
    {
        ArgumentNullException.ThrowIfNull(format);
        if (!format.IsJson)
        {
            return new AccessLogTemplate([([], Parse((format.Format ?? DefaultText).TrimEnd('\n')))], isJson: false);
        }

        return new AccessLogTemplate(
            [.. (format.Format is { } text ? FieldsOf(text) : s_defaultFields).Select(field => (Encoding.UTF8.GetBytes($"\"{JsonEncodedText.Encode(field.Key)}\":"), Parse(field.Text)))], isJson: true);
    }

    /// <summary>Appends a line, without its end.</summary>
    public void Write(Utf8TextBuilder line, in AccessLogEntry entry)
    {
        if (!_isJson)
        {
            foreach (var part in _fields[0].Parts)
            {
                if (part.Command == Command.None)
                {
                    line.Append(part.Literal);
                }
                else if (!WriteValue(line, part, entry))
                {
                    line.Append("-"u8);
                }
            }

            return;
        }

        line.Append("{"u8);
        for (var i = 0; i < _fields.Length; i++)
        {
            var (key, parts) = _fields[i];
            line.Append(i > 0 ? ","u8 : ""u8).Append(key);
            WriteJson(line, parts, entry);
        }

        line.Append("}"u8);
    }

    private static void WriteJson(Utf8TextBuilder line, Part[] parts, in AccessLogEntry entry)
    {
        // A value that is one operator keeps its type.
        if (parts is [{ Command: not Command.None } single])
        {
            if (single.Command is Command.ResponseCode or Command.BytesReceived or Command.BytesSent or Command.Duration)
            {
                WriteValue(line, single, entry);
                return;
            }

            var begin = line.Written.Length;
            line.Append("\""u8);
            if (WriteValue(line, single, entry))
            {
                line.Append("\""u8);
            }
            else
            {
                line.Truncate(begin);
                line.Append("null"u8);
            }

            return;
        }

        line.Append("\""u8);
        foreach (var part in parts)
        {
            if (part.Command == Command.None)
            {
                line.AppendJsonEscaped(Encoding.UTF8.GetString(part.Literal));
            }
            else if (!WriteValue(line, part, entry))
            {
                line.Append("-"u8);
            }
        }

        line.Append("\""u8);
    }

    /// <summary>Appends the value of an operator; false when it has none.</summary>
    private static bool WriteValue(Utf8TextBuilder line, Part part, in AccessLogEntry entry) => part.Command switch
    {
        Command.StartTime => Time(line, part, entry.Started),
        Command.Request => WriteHeader(line, part, part.Name, entry) || (part.Alternative is { } other && WriteHeader(line, part, other, entry)),
        Command.Response => entry.Response is { } response && (Field(line, part, response.Fields, part.Name) || (part.Alternative is { } other && Field(line, part, response.Fields, other))),
        Command.Protocol => !entry.IsOpaque && Put(line, part, entry.Request is { } head ? NameOf(head.Version) : "HTTP/1.1"),
        Command.ResponseCode => Number(line, entry.Code),
        Command.ResponseFlags => Put(line, part, entry.Flags),
        Command.CodeDetails => Put(line, part, entry.CodeDetails),
        Command.TerminationDetails => Put(line, part, entry.TerminationDetails),
        Command.TransportFailure => Put(line, part, entry.TransportFailure),
        Command.BytesReceived => Number(line, entry.BytesReceived),
        Command.BytesSent => Number(line, entry.BytesSent),
        Command.Duration => Number(line, (long)entry.Duration.TotalMilliseconds),
        Command.UpstreamHost => entry.UpstreamHost is { } host && Address(line, host, entry.IsTunnelled ? "envoy://connect_originate/"u8 : default),
        Command.UpstreamCluster => Cluster(line, entry.Cluster),
        Command.UpstreamLocalAddress => entry is { UpstreamHost: not null, IsTunnelled: true } && Literal(line, "envoy://internal_client_address/"u8),
        Command.DownstreamLocalAddress => Address(line, entry.LocalAddress),
        Command.DownstreamLocalHost => Host(line, entry.LocalAddress),
        Command.DownstreamLocalPort => entry.LocalAddress is { } local && Number(line, local.Port),
        Command.DownstreamRemoteAddress => Address(line, entry.RemoteAddress),
        Command.DownstreamRemoteHost => Host(line, entry.RemoteAddress),
        Command.DownstreamRemotePort => entry.RemoteAddress is { } remote && Number(line, remote.Port),
        Command.ServerName => Put(line, part, entry.ServerName),
        Command.RouteName => Put(line, part, entry.RouteName),
        Command.GrpcStatus => Put(line, part, entry.GrpcStatus),
        _ => false,
    };

    private static bool WriteHeader(Utf8TextBuilder line, Part part, string name, in AccessLogEntry entry) => (entry.Request, name) switch
    {
        (null, _) => false,
        (_, "x-envoy-original-path") => Put(line, part, entry.OriginalTarget),
        (var head, ":method") => Put(line, part, head.Method),
        (var head, ":path") => Put(line, part, head.Target),
        (var head, ":authority" or "host") => Put(line, part, head.Authority),
        (var head, ":scheme") => Put(line, part, head.Scheme),
        var (head, _) => Field(line, part, head.Fields, name),
    };

    private static bool Field(Utf8TextBuilder line, Part part, HttpFields fields, string name)
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

    private static bool Put(Utf8TextBuilder line, Part part, string? value)
    {
        if (string.IsNullOrEmpty(value))
        {
            return false;
        }

        line.AppendJsonEscaped(value.AsSpan(0, Math.Min(value.Length, Math.Min(part.MaxLength, MaxValue))));
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

    private static bool Time(Utf8TextBuilder line, Part part, DateTimeOffset time)
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

    private static (string Key, string Text)[] FieldsOf(string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 8 });
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw new FormatException("expected a JSON object of texts");
            }

            List<(string Key, string Text)> fields = [];
            foreach (var field in document.RootElement.EnumerateObject())
            {
                fields.Add((field.Name, field.Value.ValueKind == JsonValueKind.String
                    ? field.Value.GetString()!
                    : throw new FormatException($"\"{field.Name}\" is not a text; objects and lists in an access log are not supported")));
            }

            return [.. fields];
        }
        catch (JsonException e)
        {
            throw new FormatException($"not JSON: {e.Message}", e);
        }
    }

    private static Part[] Parse(string format)
    {
        List<Part> parts = [];
        var literal = new StringBuilder();
        for (var i = 0; i < format.Length;)
        {
            if (format[i] != '%')
            {
                // What is written stays; but it must not make two lines of one.
                literal.Append(format[i] is '\n' or '\r' ? ' ' : format[i]);
                i++;
                continue;
            }

            if (i + 1 < format.Length && format[i + 1] == '%')
            {
                literal.Append('%');
                i += 2;
                continue;
            }

            // START_TIME's own text has percent signs: an operator ends at the one behind its brackets.
            var open = format.IndexOf('(', i + 1);
            var end = format.IndexOf('%', i + 1);
            if (open >= 0 && open < end)
            {
                var close = format.IndexOf(')', open);
                end = close < 0 ? -1 : format.IndexOf('%', close);
            }

            if (end < 0)
            {
                throw new FormatException($"an operator that begins at character {i + 1} does not end");
            }

            if (literal.Length > 0)
            {
                parts.Add(new Part(Command.None, Encoding.UTF8.GetBytes(literal.ToString()), "", null, 0));
                literal.Clear();
            }

            parts.Add(Operator(format[(i + 1)..end]));
            i = end + 1;
        }

        if (literal.Length > 0 || parts.Count == 0)
        {
            parts.Add(new Part(Command.None, Encoding.UTF8.GetBytes(literal.ToString()), "", null, 0));
        }

        return [.. parts];
    }

    private static Part Operator(string text)
    {
        var (name, argument, max) = (text, (string?)null, int.MaxValue);
        if (text.IndexOf('(', StringComparison.Ordinal) is >= 0 and var open)
        {
            var close = text.LastIndexOf(')');
            (name, argument) = (text[..open], text[(open + 1)..close]);
            if (text[(close + 1)..] is { Length: > 0 } rest
                && !(rest[0] == ':' && int.TryParse(rest.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out max) && max > 0))
            {
                throw new FormatException($"%{text}%: expected :LENGTH behind the brackets, found \"{rest}\"");
            }
        }

        return name switch
        {
            "REQ" or "RESP" => Header(name == "REQ" ? Command.Request : Command.Response, text, argument, max),
            "START_TIME" => new Part(Command.StartTime, [], argument is null or "" ? "" : TimeFormat(argument), null, max),
            "DYNAMIC_METADATA" or "FILTER_STATE" or "UPSTREAM_METADATA" or "UPSTREAM_FILTER_STATE" when argument is not null => new Part(Command.Nothing, [], "", null, max),
            _ when argument is null && s_commands.TryGetValue(name, out var command) => new Part(command, [], "", null, max),
            _ => throw new FormatException(
                $"%{text}% is not an operator that is supported; expected one of REQ(), RESP(), START_TIME, DYNAMIC_METADATA(), FILTER_STATE(), {string.Join(", ", s_commands.Keys.Order(StringComparer.Ordinal))}"),
        };
    }

    private static Part Header(Command command, string text, string? argument, int max)
    {
        var names = argument?.Split('?', 2);
        if (names is null || names.Any(name => !(name.StartsWith(':') ? name.AsSpan(1) : name).ToArray().All(HttpSyntax.IsToken) || name.Trim(':').Length == 0))
        {
            throw new FormatException($"%{text}%: expected the name of a header in brackets, and another behind a question mark");
        }

        return new Part(command, [], names[0].ToLowerInvariant(), names.Length > 1 ? names[1].ToLowerInvariant() : null, max);
    }

    /// <summary>A format of C's <c>strftime</c>, with Envoy's fractions of a second, as one of .NET.</summary>
    private static string TimeFormat(string text)
    {
        var format = new StringBuilder();
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '%' || i + 1 == text.Length)
            {
                format.Append('\\').Append(text[i]);
                continue;
            }

            i++;
            if (text[i] is >= '1' and <= '7' && i + 1 < text.Length && text[i + 1] == 'f')
            {
                format.Append('f', text[i] - '0');
                i++;
                continue;
            }

            format.Append(text[i] switch
            {
                'Y' => "yyyy",
                'y' => "yy",
                'm' => "MM",
                'd' => "dd",
                'H' => "HH",
                'M' => "mm",
                'S' => "ss",
                'b' => "MMM",
                'B' => "MMMM",
                'a' => "ddd",
                'T' => "HH:mm:ss",
                'F' => "yyyy-MM-dd",
                'f' => "fffffff'00'",
                'z' => "'+0000'",
                'Z' => "'UTC'",
                '%' => "\\%",
                _ => throw new FormatException($"%START_TIME({text})%: %{text[i]} is not supported; expected %Y, %y, %m, %d, %H, %M, %S, %b, %B, %a, %T, %F, %1f to %7f, %f, %z or %Z"),
            });
        }

        // A format of one letter would mean something else to .NET.
        return format.Length == 1 ? "%" + format : format.ToString();
    }

    private enum Command
    {
        None,
        Nothing,
        StartTime,
        Request,
        Response,
        Protocol,
        ResponseCode,
        ResponseFlags,
        CodeDetails,
        TerminationDetails,
        TransportFailure,
        BytesReceived,
        BytesSent,
        Duration,
        UpstreamHost,
        UpstreamCluster,
        UpstreamLocalAddress,
        DownstreamLocalAddress,
        DownstreamLocalHost,
        DownstreamLocalPort,
        DownstreamRemoteAddress,
        DownstreamRemoteHost,
        DownstreamRemotePort,
        ServerName,
        RouteName,
        GrpcStatus,
    }

    /// <summary>A piece of a line: bytes as they are, or a command with the header that it is about, another, and its own bound.</summary>
    private sealed record Part(Command Command, byte[] Literal, string Name, string? Alternative, int MaxLength);
}
