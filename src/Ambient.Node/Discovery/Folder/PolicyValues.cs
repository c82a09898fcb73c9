using System.Globalization;
using Ambient.Node.Discovery.Documents;

namespace Ambient.Node.Discovery.Folder;

/// <summary>What values of policy fields must look like. Each check answers with what is wrong, or null.</summary>
internal static class PolicyValues
{
    /// <summary>Most service accounts in one list.</summary>
    public const int MaxServiceAccounts = 16;

    /// <summary>Anything that is not empty.</summary>
    public static string? Text(string value) => null;

    /// <summary>An IP address or range.</summary>
    public static string? IPBlock(string value) =>
        IPText.TryParseRange(value, out _) ? null : $"\"{value}\" is not an IP address or range; expected a form like 10.0.0.1 or 10.0.0.0/8";

    /// <summary>A port.</summary>
    public static string? Port(string value) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port <= 65535
            ? null
            : $"\"{value}\" is not a port; expected a whole number from 0 to 65535";

    /// <summary>A service account, with or without namespace.</summary>
    public static string? ServiceAccount(string value)
    {
        var parts = value.Split('/');
        return value.Contains('*', StringComparison.Ordinal)
            ? $"\"{value}\": wildcards are not allowed for service accounts"
            : parts.Length > 2 || parts.Any(part => part.Length == 0) || value.Length > 320
                ? $"\"{value}\": expected serviceAccount or namespace/serviceAccount"
                : null;
    }

    /// <summary>A trust domain, possibly with one wildcard at an end.</summary>
    public static string? TrustDomain(string value) =>
        value.Contains('/', StringComparison.Ordinal) ? $"\"{value}\": a trust domain has no '/'" : Wildcard(value);

    /// <summary>A path, possibly a template.</summary>
    public static string? Path(string value)
    {
        if (value.AsSpan().IndexOfAny('{', '}') < 0)
        {
            return null;
        }

        var rest = false;
        foreach (var segment in value.Trim('/').Split('/'))
        {
            if (segment is "{*}" or "{**}")
            {
                if (rest)
                {
                    return $"\"{value}\": {{**}} must be the last operator of a path template";
                }

                rest = segment == "{**}";
            }
            else if (segment.AsSpan().IndexOfAny('{', '}') >= 0)
            {
                return $"\"{value}\": braces are only allowed as whole segments {{*}} or {{**}}";
            }
            else if (segment.Length == 0 || segment.AsSpan().IndexOfAnyExcept(LiteralSegment) >= 0)
            {
                return $"\"{value}\": \"{segment}\" cannot be a segment of a path template";
            }
        }

        return null;
    }

    /// <summary>The check for the values of a <c>when</c> attribute, or null when there is no such attribute.</summary>
    public static Func<string, string?>? OfAttribute(string key) => key switch
    {
        "source.ip" or "remote.ip" or "destination.ip" => IPBlock,
        "destination.port" => Port,
        "source.namespace" or "source.principal" or "request.auth.principal" or "request.auth.audiences"
            or "request.auth.presenter" or "connection.sni" => Text,
        "source.serviceAccount" => ServiceAccount,
        "source.trustDomain" => Wildcard,
        _ when IsMapKey(key, "request.headers") || IsMapKey(key, "request.auth.claims") => Text,
        _ when key.StartsWith("experimental.envoy.filters.", StringComparison.Ordinal) && key.EndsWith(']') => Text,
        _ => null,
    };

    private static readonly System.Buffers.SearchValues<char> LiteralSegment = System.Buffers.SearchValues.Create(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%!$&'()+,;:@=");

    private static string? Wildcard(string value)
    {
        var first = value.IndexOf('*', StringComparison.Ordinal);
        return first < 0 || (first == value.LastIndexOf('*') && (first == 0 || first == value.Length - 1))
            ? null
            : $"\"{value}\": one '*' is allowed, at the beginning or the end";
    }

    private static bool IsMapKey(string key, string attribute) =>
        key.StartsWith(attribute, StringComparison.Ordinal) && key.Length > attribute.Length + 2
        && key[attribute.Length] == '[' && key[^1] == ']';
}
