namespace Ambient.Policy.Routing.Requests;

/// <summary>Host names of listeners and routes, where <c>*.x</c> stands for any labels before <c>x</c> but not for <c>x</c>.</summary>
internal static class HostName
{
    /// <summary>The host name that a short one stands for in Istio's own kinds: a service of <paramref name="ns"/>. Others are in full already.</summary>
    internal static string InFull(string host, string ns, string clusterDomain) =>
        host.Contains('.', StringComparison.Ordinal) || host.Contains('*', StringComparison.Ordinal) ? host : $"{host}.{ns}.svc.{clusterDomain}";

    /// <summary>A Host header without its port, brackets of an IPv6 address kept.</summary>
    internal static string WithoutPort(string host)
    {
        var name = WithoutPort(host.AsSpan());
        return name.Length == host.Length ? host : name.ToString();
    }

    /// <summary>The same where it lies.</summary>
    internal static ReadOnlySpan<char> WithoutPort(ReadOnlySpan<char> host)
    {
        var colon = host.LastIndexOf(':');
        return colon < 0 || host.IndexOf(']') > colon ? host : host[..colon];
    }

    /// <summary>Whether a host fits a pattern; null fits every host.</summary>
    internal static bool Matches(string? pattern, ReadOnlySpan<char> host) => pattern switch
    {
        null or "*" => true,
        ['*', '.', ..] => host.Length > pattern.Length - 1 && host.EndsWith(pattern.AsSpan(1), StringComparison.OrdinalIgnoreCase),
        _ => host.Equals(pattern, StringComparison.OrdinalIgnoreCase),
    };

    /// <summary>How specific a pattern is: exact, then longer wildcards, then any.</summary>
    internal static int Specificity(string? pattern) => pattern switch
    {
        null or "*" => 0,
        ['*', '.', ..] => pattern.Length,
        _ => int.MaxValue,
    };

    /// <summary>The narrower of two patterns if one lies within the other. False when no host fits both.</summary>
    internal static bool TryIntersect(string? left, string? right, out string? both)
    {
        if (Specificity(left) < Specificity(right))
        {
            (left, right) = (right, left);
        }

        both = left;
        return left is null || right is null || right == "*"
            || (left.StartsWith("*.", StringComparison.Ordinal)
                ? string.Equals(left, right, StringComparison.OrdinalIgnoreCase)
                    || (right.StartsWith("*.", StringComparison.Ordinal) && left.EndsWith(right[1..], StringComparison.OrdinalIgnoreCase))
                : Matches(right, left));
    }
}
