using System.Globalization;
using Ambient.Node.Requests;
using Ambient.Policy.Authentication;
using Microsoft.AspNetCore.Http;

namespace Ambient.Node.Member;

/// <summary>How a member answers a request that it does not let in: as a waypoint does, through ASP.NET Core.</summary>
internal static class MemberReply
{
    /// <summary>Answers 403; gRPC by a status of its own. Nothing where the answer has begun.</summary>
    public static Task DenyAsync(HttpContext http) => AnswerAsync(http, StatusCodes.Status403Forbidden, LocalReply.AccessDenied, null);

    /// <summary>Answers a request whose token is not valid.</summary>
    public static Task RefuseAsync(HttpContext http, in AuthenticationDecision decision)
    {
        var isGrpc = LocalReply.IsGrpc(http.Request.ContentType);
        var target = $"{http.Request.Path.ToUriComponent()}{http.Request.QueryString.ToUriComponent()}";
        return AnswerAsync(http, decision.Status.HttpStatus(), decision.Status.Text(), LocalReply.ChallengeOf(decision, isGrpc, http.Request.Scheme, http.Request.Host.ToUriComponent(), target));
    }

    private static Task AnswerAsync(HttpContext http, int status, string body, string? challenge)
    {
        var response = http.Response;
        if (response.HasStarted)
        {
            return Task.CompletedTask;
        }

        response.Clear();
        response.Headers.Server = HeaderRules.Server;
        if (challenge is not null)
        {
            response.Headers.WWWAuthenticate = challenge;
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
