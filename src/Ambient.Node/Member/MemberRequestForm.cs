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
}
