using System.Globalization;
using Ambient.Node.Requests;
using Ambient.Policy.Authorization;
using Microsoft.AspNetCore.Http;

namespace Ambient.Node.Member;

/// <summary>How a member answers a request that it does not let in: as a waypoint does, through ASP.NET Core.</summary>
internal static class MemberReply
{
    /// <summary>Answers 401 where a token is the reason, else 403; gRPC by a status of its own. Nothing where the answer has begun.</summary>
    public static Task DenyAsync(HttpContext http, AuthorizationDecision decision)
    {
        var response = http.Response;
        if (response.HasStarted)
        {
            return Task.CompletedTask;
        }

        var unverified = decision.Reason == AuthorizationReason.UnverifiedToken;
        var (status, body) = unverified
            ? (StatusCodes.Status401Unauthorized, LocalReply.TokenNotVerified)
            : (StatusCodes.Status403Forbidden, LocalReply.AccessDenied);
        response.Clear();
        response.Headers.Server = HeaderRules.Server;
        if (unverified)
        {
            response.Headers.WWWAuthenticate = LocalReply.InvalidToken;
        }

        if (LocalReply.IsGrpc(http.Request.ContentType))
        {
            response.StatusCode = StatusCodes.Status200OK;
            response.ContentType = LocalReply.Grpc;
            response.Headers["grpc-status"] = LocalReply.GrpcStatus(status).ToString(CultureInfo.InvariantCulture);
            response.Headers["grpc-message"] = body;
            return Task.CompletedTask;
        }

        response.StatusCode = status;
        response.ContentType = "text/plain";
        response.ContentLength = body.Length;
        return HttpMethods.IsHead(http.Request.Method) ? Task.CompletedTask : response.WriteAsync(body, http.RequestAborted);
    }
}
