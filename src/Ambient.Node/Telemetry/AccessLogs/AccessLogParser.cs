using System.Globalization;
using System.Text;
using Ambient.Http;

namespace Ambient.Node.Telemetry.AccessLogs;

/// <summary>
/// Reads texts with Envoy's operators. What it does not know is an error, unless somebody takes down what that is: then it has no value, and a percent sign
/// that begins no operator stands for itself.
/// </summary>
/// <param name="unknown">Takes what is not known; null: it is an error.</param>
/// <param name="isRaw">Whether values are written as they are.</param>
internal sealed class AccessLogParser(ICollection<string>? unknown = null, bool isRaw = false)
{
    private static readonly Dictionary<string, AccessLogOperator> s_commands = new(StringComparer.Ordinal)
    {
        ["PROTOCOL"] = AccessLogOperator.Protocol,
        ["RESPONSE_CODE"] = AccessLogOperator.ResponseCode,
        ["RESPONSE_FLAGS"] = AccessLogOperator.ResponseFlags,
        ["RESPONSE_CODE_DETAILS"] = AccessLogOperator.CodeDetails,
        ["CONNECTION_TERMINATION_DETAILS"] = AccessLogOperator.TerminationDetails,
        ["UPSTREAM_TRANSPORT_FAILURE_REASON"] = AccessLogOperator.TransportFailure,
        ["BYTES_RECEIVED"] = AccessLogOperator.BytesReceived,
        ["BYTES_SENT"] = AccessLogOperator.BytesSent,
        ["DURATION"] = AccessLogOperator.Duration,
        ["UPSTREAM_HOST"] = AccessLogOperator.UpstreamHost,
        ["UPSTREAM_CLUSTER"] = AccessLogOperator.UpstreamCluster,
        ["UPSTREAM_CLUSTER_RAW"] = AccessLogOperator.UpstreamCluster,
        ["UPSTREAM_LOCAL_ADDRESS"] = AccessLogOperator.UpstreamLocalAddress,
        ["DOWNSTREAM_LOCAL_ADDRESS"] = AccessLogOperator.DownstreamLocalAddress,
        ["DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT"] = AccessLogOperator.DownstreamLocalHost,
        ["DOWNSTREAM_LOCAL_PORT"] = AccessLogOperator.DownstreamLocalPort,
        ["DOWNSTREAM_REMOTE_ADDRESS"] = AccessLogOperator.DownstreamRemoteAddress,
        ["DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT"] = AccessLogOperator.DownstreamRemoteHost,
        ["DOWNSTREAM_REMOTE_PORT"] = AccessLogOperator.DownstreamRemotePort,
        ["DOWNSTREAM_DIRECT_REMOTE_ADDRESS"] = AccessLogOperator.DownstreamRemoteAddress,
        ["DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT"] = AccessLogOperator.DownstreamRemoteHost,
        ["REQUESTED_SERVER_NAME"] = AccessLogOperator.ServerName,
        ["ROUTE_NAME"] = AccessLogOperator.RouteName,
        ["GRPC_STATUS_NUMBER"] = AccessLogOperator.GrpcStatus,
        ["TRACE_ID"] = AccessLogOperator.TraceId,
        ["DOWNSTREAM_PEER_URI_SAN"] = AccessLogOperator.PeerIdentity,
    };

    /// <summary>The parts of a text.</summary>
    /// <exception cref="FormatException">Something is not known; the message says what.</exception>
    public AccessLogPart[] Parse(string format)
    {
        List<AccessLogPart> parts = [];
        var literal = new StringBuilder();
        for (var i = 0; i < format.Length;)
        {
            if (format[i] != '%')
            {
                // What is written stays; but it must not make two lines of one.
                literal.Append(format[i] is '\n' or '\r' && !isRaw ? ' ' : format[i]);
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
                Unknown($"an operator that begins at character {i + 1} does not end");
                literal.Append(format, i, format.Length - i);
                break;
            }

            if (literal.Length > 0)
            {
                parts.Add(Bytes(literal));
            }

            parts.Add(Operator(format[(i + 1)..end]) with { IsRaw = isRaw });
            i = end + 1;
        }

        if (literal.Length > 0 || parts.Count == 0)
        {
            parts.Add(Bytes(literal));
        }

        return [.. parts];
    }

    private static AccessLogPart Bytes(StringBuilder literal)
    {
        var part = new AccessLogPart(AccessLogOperator.None, Encoding.UTF8.GetBytes(literal.ToString()), "", null, 0);
        literal.Clear();
        return part;
    }

    private AccessLogPart Operator(string text)
    {
        var (name, argument, max) = (text, (string?)null, int.MaxValue);
        if (text.IndexOf('(', StringComparison.Ordinal) is >= 0 and var open && text.LastIndexOf(')') is var close && close > open)
        {
            (name, argument) = (text[..open], text[(open + 1)..close]);
            if (text[(close + 1)..] is { Length: > 0 } rest
                && !(rest[0] == ':' && int.TryParse(rest.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out max) && max > 0))
            {
                return Unknown($"%{text}%: expected :LENGTH behind the brackets, found \"{rest}\"");
            }
        }

        return name switch
        {
            "REQ" or "RESP" => Header(name == "REQ" ? AccessLogOperator.Request : AccessLogOperator.Response, text, argument, max),
            "START_TIME" => TimeFormat(argument ?? "") is { } format ? new AccessLogPart(AccessLogOperator.StartTime, [], format, null, max) : Nothing,
            "DYNAMIC_METADATA" or "FILTER_STATE" or "UPSTREAM_METADATA" or "UPSTREAM_FILTER_STATE" when argument is not null => Nothing,
            _ when argument is null && s_commands.TryGetValue(name, out var command) => new AccessLogPart(command, [], "", null, max),
            _ => Unknown(
                $"%{text}% is not an operator that is supported",
                $"; expected one of REQ(), RESP(), START_TIME, DYNAMIC_METADATA(), FILTER_STATE(), {string.Join(", ", s_commands.Keys.Order(StringComparer.Ordinal))}"),
        };
    }

    private static AccessLogPart Nothing { get; } = new(AccessLogOperator.Nothing, [], "", null, int.MaxValue);

    private AccessLogPart Unknown(string problem, string expected = "")
    {
        if (unknown is null)
        {
            throw new FormatException(problem + expected);
        }

        unknown.Add(problem);
        return Nothing;
    }

    private AccessLogPart Header(AccessLogOperator command, string text, string? argument, int max)
    {
        var names = argument?.Split('?', 2);
        if (names is null || names.Any(name => !(name.StartsWith(':') ? name.AsSpan(1) : name).ToArray().All(HttpSyntax.IsToken) || name.Trim(':').Length == 0))
        {
            return Unknown($"%{text}%: expected the name of a header in brackets, and another behind a question mark");
        }

        return new AccessLogPart(command, [], names[0].ToLowerInvariant(), names.Length > 1 ? names[1].ToLowerInvariant() : null, max);
    }

    /// <summary>A format of C's <c>strftime</c>, with Envoy's fractions of a second, as one of .NET.</summary>
    private string? TimeFormat(string text)
    {
        if (text.Length == 0)
        {
            return "";
        }

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

            var part = text[i] switch
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
                _ => null,
            };
            if (part is null)
            {
                Unknown($"%START_TIME({text})%: %{text[i]} is not supported; expected %Y, %y, %m, %d, %H, %M, %S, %b, %B, %a, %T, %F, %1f to %7f, %f, %z or %Z");
                return null;
            }

            format.Append(part);
        }

        // A format of one letter would mean something else to .NET.
        return format.Length == 1 ? "%" + format : format.ToString();
    }
}
