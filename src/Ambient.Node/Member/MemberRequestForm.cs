using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Ambient.Node.Member;

/// <summary>Whether the application sees the method that policies judge: ASP.NET Core takes known methods without regard to case.</summary>
internal static class MemberRequestForm
{
    /// <summary>Whether the method is one that ASP.NET Core takes for another: <c>delete</c> for <c>DELETE</c>.</summary>
    public static bool ChangesMethod(string method) =>
        HttpMethods.GetCanonicalizedValue(method) != method || HttpMethod.Parse(method).Method != method;

    /// <summary>
    /// The method that policies are asked about. A WebSocket over HTTP/2 (RFC 8441) is a CONNECT only on its way: the application
    /// gets the GET that it stands for.
    /// </summary>
    public static string MethodOf(HttpContext http) =>
        HttpMethods.IsConnect(http.Request.Method)
        && "websocket".Equals(http.Features.Get<IHttpExtendedConnectFeature>()?.Protocol, StringComparison.OrdinalIgnoreCase)
            ? HttpMethods.Get
            : http.Request.Method;

    /// <summary>Path and query as they came; where the server does not say, as the application sees them.</summary>
    public static string TargetOf(HttpContext http) =>
        http.Features.Get<IHttpRequestFeature>()?.RawTarget is { Length: > 0 } target ? target : $"{http.Request.Path.ToUriComponent()}{http.Request.QueryString.ToUriComponent()}";

    /// <summary>Puts another target in place of the request's: as it came, and as the application sees it.</summary>
    public static void SetTarget(HttpContext http, string target)
    {
        if (http.Features.Get<IHttpRequestFeature>() is { } feature)
        {
            feature.RawTarget = target;
        }

        var question = target.IndexOf('?', StringComparison.Ordinal);
        http.Request.PathBase = PathString.Empty;
        http.Request.Path = PathString.FromUriComponent(question < 0 ? target : target[..question]);
        http.Request.QueryString = question < 0 ? QueryString.Empty : new QueryString(target[question..]);
    }
}
