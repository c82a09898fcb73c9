using System.Globalization;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>Paths and locations after a rewrite or redirect.</summary>
internal static class PathRewriting
{
    /// <summary>
    /// The new path. A replaced prefix joins the rest with exactly one slash; the result is never empty.
    /// <paramref name="beyondPrefix"/> is null when the rule matched no prefix; then the whole path is replaced.
    /// </summary>
    internal static string Apply(PathRewrite rewrite, string? beyondPrefix)
    {
        var path = rewrite.Kind == PathRewriteKind.ReplaceFullPath || beyondPrefix is null
            ? rewrite.Value
            : beyondPrefix.Length == 0 ? rewrite.Value : rewrite.Value.TrimEnd('/') + beyondPrefix;
        return path.StartsWith('/') ? path : "/" + path;
    }

    /// <summary>
    /// Where a redirect leads. The port is the redirect's, else the scheme's own if it names one, else the one that the
    /// request arrived at; a scheme's own port is not written. The query stays.
    /// </summary>
    internal static string Location(RequestRedirect redirect, in RouteFacts request, string? beyondPrefix)
    {
        var scheme = (redirect.Scheme ?? request.Scheme).ToLowerInvariant();
        var host = redirect.Hostname ?? HostName.WithoutPort(request.Host);
        var usual = scheme == "https" ? 443 : 80;
        var port = redirect.Port ?? (redirect.Scheme is null ? request.Port : usual);
        var path = redirect.Path is { } rewrite ? Apply(rewrite, beyondPrefix) : request.Path;
        var shownPort = port == usual ? "" : string.Create(CultureInfo.InvariantCulture, $":{port}");
        return $"{scheme}://{host}{shownPort}{path}{(request.Query.Length == 0 ? "" : "?" + request.Query)}";
    }
}
