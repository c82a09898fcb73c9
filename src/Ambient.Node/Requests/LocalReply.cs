using System.Globalization;
using Ambient.Policy.Authorization;
using Microsoft.AspNetCore.Http;

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

    /// <summary>The body where a token would have to be verified.</summary>
    public const string TokenNotVerified = "Jwt verification fails";

    /// <summary>Answers a request that is not let in: 401 where its token is the reason, else 403.</summary>
    public static Task DenyAsync(HttpContext http, AuthorizationDecision decision) => decision.Reason == AuthorizationReason.UnverifiedToken
        ? SendAsync(http, StatusCodes.Status401Unauthorized, TokenNotVerified, "Bearer error=\"invalid_token\"")
        : SendAsync(http, StatusCodes.Status403Forbidden, AccessDenied);

    /// <summary>Answers with a status and a body, unless the answer has begun already.</summary>
    public static Task SendAsync(HttpContext http, int status, string body, string? challenge = null)
    {
        var response = http.Response;
        if (response.HasStarted)
        {
            return Task.CompletedTask;
        }

        var location = response.Headers.Location;
        response.Clear();
        response.Headers.Location = location;
        response.Headers.Server = HeaderRules.Server;
        if (challenge is not null)
        {
            response.Headers.WWWAuthenticate = challenge;
        }

        if (IsGrpc(http.Request))
        {
            // Trailers only: one HEADERS block that carries the status.
            response.StatusCode = StatusCodes.Status200OK;
            response.ContentType = "application/grpc";
            response.Headers["grpc-status"] = GrpcStatus(status).ToString(CultureInfo.InvariantCulture);
            if (body.Length > 0)
            {
                response.Headers["grpc-message"] = body;
            }

            return Task.CompletedTask;
        }

        response.StatusCode = status;
        if (body.Length == 0)
        {
            response.ContentLength = 0;
            return Task.CompletedTask;
        }

        response.ContentType = "text/plain";
        response.ContentLength = body.Length;
        return HttpMethods.IsHead(http.Request.Method) ? Task.CompletedTask : response.WriteAsync(body, http.RequestAborted);
    }

    /// <summary>Whether the client speaks gRPC and so cannot use an HTTP status.</summary>
    public static bool IsGrpc(HttpRequest request) =>
        request.ContentType is { } type && type.StartsWith("application/grpc", StringComparison.OrdinalIgnoreCase)
        && (type.Length == 16 || type[16] is '+' or ';');

    // The mapping of the gRPC specification, "HTTP to gRPC status code mapping".
    private static int GrpcStatus(int status) => status switch
    {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 or 502 or 503 or 504 => 14,
        _ => 2,
    };
}
