using System.Globalization;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>Paths and locations after a rewrite or redirect.</summary>
internal static class PathRewriting
{
    /// <summary>
    /// The new path, never empty. A replaced prefix of whole segments joins the rest with exactly one slash. Where the match compares no prefix the whole
    /// path is replaced.
    /// </summary>
    internal static string Apply(PathRewrite rewrite, string path, CompiledMatch match)
    {
        var beyond = match.PrefixLength is { } length ? path[Math.Min(length, path.Length)..] : null;
        var rewritten = rewrite.Kind switch
        {
            PathRewriteKind.ReplacePattern => BoundedRegex.Replace(rewrite.Pattern ?? "", path, rewrite.Value),
            PathRewriteKind.ReplacePrefixMatch when beyond is not null => beyond.Length == 0 ? rewrite.Value : rewrite.Value.TrimEnd('/') + beyond,
            PathRewriteKind.ReplaceTextPrefix when beyond is not null => rewrite.Value + beyond,
            _ => rewrite.Value,
        };
        return rewritten.StartsWith('/') ? rewritten : "/" + rewritten;
    }

    /// <summary>
    /// Where a redirect leads. The port is the redirect's, else the scheme's own if it names one, else the one that the
    /// request arrived at; a scheme's own port is not written. The query stays.
    /// </summary>
    internal static string Location(RequestRedirect redirect, in RouteFacts request, CompiledMatch match)
    {
        var scheme = (redirect.Scheme ?? request.Scheme).ToLowerInvariant();
        if (redirect is { KeepsRequestPort: true, Port: null })
        {
            return $"{scheme}://{redirect.Hostname ?? request.Host}{PathOf(redirect, request, match)}";
        }

        var host = redirect.Hostname ?? HostName.WithoutPort(request.Host);
        var usual = scheme == "https" ? 443 : 80;
        var port = redirect.Port ?? (redirect.Scheme is null || redirect.UsesArrivalPort ? request.Port : usual);
        var shownPort = port == usual ? "" : string.Create(CultureInfo.InvariantCulture, $":{port}");
        return $"{scheme}://{host}{shownPort}{PathOf(redirect, request, match)}";
    }

    private static string PathOf(RequestRedirect redirect, in RouteFacts request, CompiledMatch match)
    {
        var path = redirect.Path is { } rewrite ? Apply(rewrite, request.Path, match) : request.Path;
        return request.Query.Length == 0 ? path : $"{path}?{request.Query}";
    }
}
