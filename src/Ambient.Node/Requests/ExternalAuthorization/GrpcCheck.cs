using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Ambient.Http;
using Ambient.Mesh;
using Ambient.Node.Protos.ExternalAuth;
using Google.Protobuf;
using IPEndPoint = System.Net.IPEndPoint;

namespace Ambient.Node.Requests.ExternalAuthorization;

/// <summary>What is asked of an authorizer over gRPC, and what its answer means (<c>envoy.service.auth.v3</c>).</summary>
internal static class GrpcCheck
{
    /// <summary>Bytes before a message (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, Length-Prefixed-Message).</summary>
    public const int PrefixLength = 5;

    /// <summary>Bytes of a message that every server of gRPC takes unless it is told otherwise: 4 MiB.</summary>
    public const int SafeLength = 4 * 1024 * 1024;

    private const string ResourceExhausted = "8";

    // One byte stands for what is no text, so that text never has more bytes than what it was made of.
    private static readonly Encoding s_text = Encoding.GetEncoding("utf-8", EncoderFallback.ReplacementFallback, new DecoderReplacementFallback("!"));

    private const string Path = "/envoy.service.auth.v3.Authorization/Check";

    /// <summary>The question, with the prefix of a message.</summary>
    public static byte[] Write(ExternalAuthorizer authorizer, in CheckFacts facts)
    {
        var context = new AttributeContext
        {
            Source = PeerOf(facts.Source, facts.Identity?.ToString()),
            Destination = PeerOf(facts.Destination, facts.Self?.ToString()),
            Request = new Request { Time = new Timestamp { Seconds = facts.Time.ToUnixTimeSeconds(), Nanos = (int)(facts.Time.Ticks % TimeSpan.TicksPerSecond) * 100 } },
        };
        if (!string.IsNullOrEmpty(facts.ServerName))
        {
            context.TlsSession = new TlsSession { Sni = facts.ServerName };
        }

        if (facts.Head is { } head)
        {
            context.Request.Http = HttpOf(authorizer, facts, head);
        }

        var message = new CheckRequest { Attributes = context };
        var size = message.CalculateSize();
        var bytes = new byte[PrefixLength + size];
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(1), size);
        message.WriteTo(bytes.AsSpan(PrefixLength));
        return bytes;
    }

    /// <summary>The head of the question.</summary>
    /// <param name="head">Gets it.</param>
    /// <param name="authorizer">Who is asked.</param>
    /// <param name="length">Bytes of the message with its prefix.</param>
    public static void WriteHead(RequestHead head, ExternalAuthorizer authorizer, int length)
    {
        head.Clear();
        head.Version = HttpProtocolVersion.Http2;
        head.Method = "POST";
        head.Scheme = "http";
        head.Authority = authorizer.Hostname;
        head.Target = Path;
        (head.HasBody, head.ContentLength, head.TakesTrailers) = (true, length, true);
        head.Fields.Add("content-type"u8, "application/grpc"u8);
        head.Fields.Add("grpc-timeout", TimeoutOf(authorizer.Timeout));
    }

    /// <summary>What an answer means.</summary>
    /// <param name="status">HTTP status.</param>
    /// <param name="grpcStatus">Status of gRPC, out of the trailers or the head; null: there is none.</param>
    /// <param name="grpcMessage">Message of gRPC, for a person.</param>
    /// <param name="body">The body: one message with its prefix.</param>
    /// <param name="tellsBody">Whether the question told of the request's body, which may have made it too large for the authorizer.</param>
    public static CheckVerdict Read(int status, string? grpcStatus, string? grpcMessage, ReadOnlySpan<byte> body, bool tellsBody = false)
    {
        if (tellsBody && grpcStatus == ResourceExhausted)
        {
            // How it says that a message is larger than it takes. Whoever can send such a body must not have it failed open.
            return CheckVerdict.Overload($"it answered that it cannot take the question{(string.IsNullOrEmpty(grpcMessage) ? "" : $": {grpcMessage}")}");
        }

        if (status != 200 || grpcStatus != "0")
        {
            return CheckVerdict.Fail($"it answered {status} with gRPC status {grpcStatus ?? "missing"}{(string.IsNullOrEmpty(grpcMessage) ? "" : $": {grpcMessage}")}");
        }

        if (body.Length < PrefixLength || body[0] != 0 || BinaryPrimitives.ReadUInt32BigEndian(body[1..]) != (uint)(body.Length - PrefixLength))
        {
            return CheckVerdict.Fail("its answer is not one uncompressed message");
        }

        CheckResponse response;
        try
        {
            response = CheckResponse.Parser.ParseFrom(body[PrefixLength..]);
        }
        catch (InvalidProtocolBufferException e)
        {
            return CheckVerdict.Fail($"its answer cannot be read: {e.Message}");
        }

        if ((response.Status?.Code ?? 0) == 0)
        {
            return Allowed(response.OkResponse);
        }

        return response.DeniedResponse is { } denied
            ? CheckVerdict.Deny(denied.Status?.Code ?? 403, [.. denied.Headers.Select(header => Edit(header, HeaderChange.Set, HeaderChange.Add, HeaderChange.Set))], Encoding.UTF8.GetBytes(denied.Body))
            : CheckVerdict.Deny(403, [], default);
    }

    private static CheckVerdict Allowed(OkResponse? ok) => ok is null ? CheckVerdict.Allowed : CheckVerdict.Allow(
        [.. ok.Headers.Select(header => Edit(header, HeaderChange.Set, HeaderChange.AppendIfPresent, HeaderChange.Set))],
        [.. ok.HeadersToRemove],
        [.. ok.ResponseHeadersToAdd.Select(header => Edit(header, HeaderChange.Set, HeaderChange.Add, HeaderChange.Add))]) with
    {
        SetParameters = [.. ok.QueryParametersToSet.Select(parameter => KeyValuePair.Create(parameter.Key, parameter.Value))],
        RemoveParameters = [.. ok.QueryParametersToRemove],
    };

    /// <summary>
    /// What becomes of a header. Where the old field says it, that counts. The new one begins with a value that is also what is there when nothing was
    /// said, so what it means depends on where the header stands.
    /// </summary>
    private static HeaderEdit Edit(HeaderValueOption option, HeaderChange replaced, HeaderChange appended, HeaderChange unsaid)
    {
        var header = option.Header ?? new HeaderValue();
        var change = option.Append is { } append ? append.Value ? appended : replaced : option.AppendAction switch
        {
            HeaderValueOption.Types.AppendAction.AddIfAbsent => HeaderChange.AddIfAbsent,
            HeaderValueOption.Types.AppendAction.OverwriteIfExistsOrAdd => HeaderChange.Set,
            HeaderValueOption.Types.AppendAction.OverwriteIfExists => HeaderChange.SetIfPresent,
            _ => unsaid,
        };
        return new HeaderEdit(change, header.Key, header.Value.Length > 0 ? header.Value : Encoding.Latin1.GetString(header.RawValue.Span));
    }

    private static Peer PeerOf(IPEndPoint endpoint, string? principal) => new()
    {
        Address = new Address
        {
            SocketAddress = new SocketAddress
            {
                Address = PlainAddress.Of(endpoint.Address).ToString(),
                PortValue = (uint)endpoint.Port,
            },
        },
        Principal = principal ?? "",
    };

    private static HttpRequest HttpOf(ExternalAuthorizer authorizer, in CheckFacts facts, RequestHead head)
    {
        var http = new HttpRequest
        {
            Id = head.Fields.Get("x-request-id") ?? "",
            Method = head.Method,
            Path = facts.Target,
            Host = head.Authority,
            Scheme = facts.Scheme,
            Protocol = head.Version == HttpProtocolVersion.Http2 ? "HTTP/2" : "HTTP/1.1",
            Size = head.HasBody ? head.ContentLength ?? -1 : 0,
        };
        var headers = http.Headers;
        for (var i = 0; i < head.Fields.Count; i++)
        {
            // Several of a name are one, in their order (RFC 9110 section 5.3). What is not UTF-8 is told as Latin-1: a string must be text.
            var (name, value) = (head.Fields[i].NameText, head.Fields[i].ValueText);
            if (!authorizer.RequestHeaders.IsEmpty && !HttpCheck.Matches(authorizer.RequestHeaders, name))
            {
                continue;
            }

            headers[name] = headers.TryGetValue(name, out var earlier) ? $"{earlier},{value}" : value;
        }

        headers[":authority"] = head.Authority;
        headers[":method"] = head.Method;
        headers[":path"] = facts.Target;
        headers[":scheme"] = facts.Scheme;
        if (head.ContentLength is { } length && (authorizer.RequestHeaders.IsEmpty || HttpCheck.Matches(authorizer.RequestHeaders, "content-length")))
        {
            headers["content-length"] = length.ToString(CultureInfo.InvariantCulture);
        }

        if (facts.IsPartial is { } partial)
        {
            headers["x-envoy-auth-partial-body"] = partial ? "true" : "false";
            if (authorizer.Body!.AsBytes)
            {
                http.RawBody = UnsafeByteOperations.UnsafeWrap(facts.Body);
            }
            else
            {
                http.Body = s_text.GetString(facts.Body.Span);
            }
        }

        return http;
    }

    // At most eight digits.
    private static string TimeoutOf(TimeSpan timeout) => timeout.TotalMilliseconds < 99_999_999
        ? string.Create(CultureInfo.InvariantCulture, $"{Math.Max(1, (long)timeout.TotalMilliseconds)}m")
        : string.Create(CultureInfo.InvariantCulture, $"{Math.Min(99_999_999, (long)timeout.TotalSeconds)}S");
}
