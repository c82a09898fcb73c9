using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Ambient.Hbone.Messages;
using Ambient.Http;
using Ambient.Node.Requests.ExternalAuthorization;
using Ambient.Policy.Authentication;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Requests;

/// <summary>Answers that come from the proxy itself: plain text, or a trailers-only answer to gRPC.</summary>
internal static class LocalReply
{
    /// <summary>The body of every denial, byte for byte what Envoy's RBAC filter answers.</summary>
    public const string AccessDenied = "RBAC: access denied";

    /// <summary>No endpoint is left to ask.</summary>
    public const string NoHealthyUpstream = "no healthy upstream";

    /// <summary>The endpoint could not be reached, or went away before it answered.</summary>
    public const string UpstreamFailed = "upstream connect error or disconnect/reset before headers";

    /// <summary>There are as many requests as a limit admits.</summary>
    public const string UpstreamOverflow = "upstream connect error or disconnect/reset before headers. reset reason: overflow";

    /// <summary>The endpoint took too long.</summary>
    public const string UpstreamTimedOut = "upstream request timeout";

    /// <summary>Nothing of the request or its answer moved for too long.</summary>
    public const string StreamTimedOut = "stream timeout";

    /// <summary>A route asks for the fault.</summary>
    public const string FaultAbort = "fault filter abort";

    /// <summary>The body is larger than what may be held of it for an external authorizer.</summary>
    public const string PayloadTooLarge = "Payload Too Large";

    /// <summary>What is held of the body for an external authorizer did not come in time.</summary>
    public const string RequestTimedOut = "request timeout";

    /// <summary>Content type of gRPC.</summary>
    public const string Grpc = "application/grpc";

    private const int MaxRealmPath = 256;

    private static readonly Dictionary<string, byte[]> s_bodies = new[] { AccessDenied, NoHealthyUpstream, UpstreamFailed, UpstreamOverflow, UpstreamTimedOut, StreamTimedOut, FaultAbort, PayloadTooLarge, RequestTimedOut }
        .ToDictionary(text => text, Encoding.ASCII.GetBytes, StringComparer.Ordinal);

    /// <summary>Answers a request that is not let in.</summary>
    public static ValueTask DenyAsync(RequestExchange exchange) => SendAsync(exchange, 403, AccessDenied);

    /// <summary>Answers a request whose token is not valid.</summary>
    public static ValueTask RefuseAsync(RequestExchange exchange, in AuthenticationDecision decision) => SendAsync(
        exchange, decision.Status.HttpStatus(), decision.Status.Text(), ChallengeOf(decision, exchange.IsGrpc, exchange.Arrival.Scheme, exchange.Host, exchange.Path.Target));

    /// <summary>
    /// What <c>www-authenticate</c> says of a token that is not valid (RFC 6750 section 3): the URL that was asked for as the realm, of its path as much as
    /// Envoy shows. Null: nothing, for an answer to gRPC has the HTTP status 200.
    /// </summary>
    public static string? ChallengeOf(in AuthenticationDecision decision, bool isGrpc, string scheme, string host, string target) =>
        isGrpc || decision.Status == TokenStatus.Busy ? null
            : $"Bearer realm=\"{Quoted(scheme)}://{Quoted(host)}{Quoted(target.Length > MaxRealmPath ? target[..MaxRealmPath] : target)}\", error=\"invalid_token\"";

    // Of a quoted string (RFC 9110 section 5.6.4), so that a path cannot end it.
    private static string Quoted(string text) => text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal);

    /// <summary>Answers with a status and a body, unless the answer has begun already.</summary>
    /// <param name="exchange">The request.</param>
    /// <param name="status">Status.</param>
    /// <param name="body">Body; empty: none.</param>
    /// <param name="challenge">For <c>www-authenticate</c>; null: none.</param>
    /// <param name="location">For <c>location</c>; null: none.</param>
    /// <param name="grpcStatus">Status for a client of gRPC; null: the one that stands for <paramref name="status"/>.</param>
    /// <param name="preflight">What a preflight is answered with; null: it is none.</param>
    /// <param name="isOfRoute">Whether it is the answer that the request's route says, with the route's changes to headers.</param>
    /// <exception cref="MessageException">The client is gone.</exception>
    public static async ValueTask SendAsync(
        RequestExchange exchange, int status, string body, string? challenge = null, string? location = null, int? grpcStatus = null, CorsPolicy? preflight = null, bool isOfRoute = false)
    {
        var server = exchange.Server;
        if (server.HasStarted)
        {
            return;
        }

        var head = server.Response;
        head.Clear();
        if (location is not null)
        {
            head.Fields.Add("location", location);
        }

        if (challenge is not null)
        {
            head.Fields.Add("www-authenticate", challenge);
        }

        if (isOfRoute && exchange.Route is { ResponseHeaders: { IsDefaultOrEmpty: false } edits })
        {
            HeaderEdits.TryApply(head, edits);
        }

        if (exchange.IsOverloaded && exchange.ProxyHeaders.Debug != false)
        {
            head.Fields.Add("x-envoy-overloaded"u8, "true"u8);
        }

        exchange.Cors?.Apply(head.Fields);
        if (preflight is not null)
        {
            if (preflight.AllowsCredentials)
            {
                head.Fields.Set("access-control-allow-credentials", "true");
            }

            AddIfSaid(head, "access-control-allow-methods", preflight.MethodsFor(exchange.Head.Get("access-control-request-method")));
            AddIfSaid(head, "access-control-allow-headers", preflight.HeadersFor(exchange.Head.Get("access-control-request-headers")));
            AddIfSaid(head, "access-control-max-age", preflight.MaxAge);
        }

        var payload = ReadOnlyMemory<byte>.Empty;
        if (exchange.IsGrpc)
        {
            // Trailers only: one HEADERS block that carries the status.
            var code = (grpcStatus ?? GrpcStatus(status)).ToString(CultureInfo.InvariantCulture);
            exchange.GrpcStatus = code;
            status = 200;
            head.Fields.Add("content-type"u8, "application/grpc"u8);
            head.Fields.Add("grpc-status", code);
            if (body.Length > 0)
            {
                head.Fields.Add("grpc-message", body);
            }

            head.ContentLength = exchange.Head.Version == HttpProtocolVersion.Http2 ? null : 0;
        }
        else
        {
            payload = body.Length == 0 ? payload : s_bodies.GetValueOrDefault(body) ?? Encoding.ASCII.GetBytes(body);
            head.ContentLength = payload.Length;
            if (!payload.IsEmpty)
            {
                head.Fields.Add("content-type"u8, "text/plain"u8);
                head.HasBody = exchange.Method != "HEAD";
            }
        }

        HeaderMutations.Apply(head.Fields, exchange.ResponseEdits);
        head.Status = status;
        HeaderRules.SetServer(head.Fields, exchange.ProxyHeaders);
        exchange.Status = status;
        await server.SendHeadAsync(head, end: !head.HasBody).ConfigureAwait(false);
        if (head.HasBody)
        {
            await server.WriteAsync(payload).ConfigureAwait(false);
            await server.EndAsync().ConfigureAwait(false);
        }
    }

    /// <summary>The HTTP status that stands for a gRPC status, for clients that do not speak gRPC.</summary>
    public static int HttpStatus(int grpcStatus) => grpcStatus switch
    {
        0 => 200,
        1 => 499,
        3 or 9 or 11 => 400,
        4 => 504,
        5 => 404,
        6 or 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    };

    private static void AddIfSaid(ResponseHead head, string name, string? value)
    {
        if (value is not null)
        {
            head.Fields.Add(name, value);
        }
    }

    /// <summary>Answers for somebody else, who has said what: with a status, a body and headers. A client of gRPC gets the status that stands for it, and the body as its message.</summary>
    /// <exception cref="MessageException">The client is gone.</exception>
    public static async ValueTask SendAsync(RequestExchange exchange, int status, ReadOnlyMemory<byte> body, ImmutableArray<HeaderEdit> headers)
    {
        var server = exchange.Server;
        if (server.HasStarted)
        {
            return;
        }

        var head = server.Response;
        head.Clear();
        if (WriteFields(head.Fields, status, body, headers, exchange.IsGrpc) is { } problem)
        {
            exchange.Error = $"the answer that was asked for cannot be given: {problem}";
        }

        if (exchange.IsGrpc)
        {
            exchange.GrpcStatus = head.Fields.Get("grpc-status")!;
            (status, body) = (200, default);
            head.ContentLength = exchange.Head.Version == HttpProtocolVersion.Http2 ? null : 0;
        }
        else
        {
            body = HasNoBody(status) ? default : body;
            head.ContentLength = HasNoBody(status) ? null : body.Length;
            head.HasBody = !body.IsEmpty && exchange.Method != "HEAD";
        }

        head.Status = status;
        HeaderRules.SetServer(head.Fields, exchange.ProxyHeaders);
        exchange.Status = status;
        await server.SendHeadAsync(head, end: !head.HasBody).ConfigureAwait(false);
        if (head.HasBody)
        {
            await server.WriteAsync(body).ConfigureAwait(false);
            await server.EndAsync().ConfigureAwait(false);
        }
    }

    /// <summary>
    /// The headers of an answer that somebody else has asked for; to a client of gRPC its status is 200, and it has no body. Returns what is wrong with the ones
    /// that were asked for: then all of them are left out.
    /// </summary>
    public static string? WriteFields(HttpFields fields, int status, ReadOnlyMemory<byte> body, ImmutableArray<HeaderEdit> headers, bool isGrpc)
    {
        string? problem = null;
        if (!body.IsEmpty)
        {
            fields.Add("content-type"u8, "text/plain"u8);
        }

        try
        {
            HeaderMutations.Answer(fields, headers);
        }
        catch (ArgumentException e)
        {
            problem = e.Message;
            fields.Clear();
        }

        if (isGrpc)
        {
            fields.Set("content-type", Grpc);
            fields.Set("grpc-status", GrpcStatus(status).ToString(CultureInfo.InvariantCulture));
            if (!body.IsEmpty)
            {
                fields.Set("grpc-message", PercentEncoded(body.Span));
            }
        }

        return problem;
    }

    /// <summary>Whether answers of a status have no body (RFC 9110 sections 15.3.5 and 15.4.5).</summary>
    public static bool HasNoBody(int status) => status is 204 or 304;

    /// <summary>A text as a message of gRPC stands in a header (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, Status-Message).</summary>
    public static string PercentEncoded(ReadOnlySpan<byte> text)
    {
        var encoded = new StringBuilder();
        foreach (var b in text)
        {
            _ = b is >= 0x20 and <= 0x7E and not (byte)'%' ? encoded.Append((char)b) : encoded.Append(CultureInfo.InvariantCulture, $"%{b:X2}");
        }

        return encoded.ToString();
    }

    /// <summary>Whether the client speaks gRPC and so cannot use an HTTP status.</summary>
    public static bool IsGrpc(HttpFields fields) => fields.TryGet("content-type", out var type)
        && type.Length >= 16 && Ascii.EqualsIgnoreCase(type[..16], "application/grpc"u8) && (type.Length == 16 || type[16] is (byte)'+' or (byte)';');

    /// <summary>Whether a content type is gRPC's.</summary>
    public static bool IsGrpc(string? type) =>
        type is not null && type.StartsWith(Grpc, StringComparison.OrdinalIgnoreCase) && (type.Length == 16 || type[16] is '+' or ';');

    /// <summary>The mapping of the gRPC specification, "HTTP to gRPC status code mapping".</summary>
    public static int GrpcStatus(int status) => status switch
    {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 or 502 or 503 or 504 => 14,
        _ => 2,
    };
}
