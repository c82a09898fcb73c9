using System.Collections.Immutable;
using System.Globalization;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>What becomes of a request from a page of another origin.</summary>
public enum CorsOutcome
{
    /// <summary>It is sent on, and nothing is said in its answer.</summary>
    Nothing,

    /// <summary>It is sent on, and its answer has the permission.</summary>
    Allowed,

    /// <summary>It is a preflight and answered here, with the permission if the origin has it.</summary>
    Preflight,
}

/// <summary>A <see cref="CorsRule"/>, ready to be asked.</summary>
public sealed class CorsPolicy
{
    private readonly CorsRule _rule;
    private readonly string? _methods;
    private readonly string? _headers;
    private readonly (OriginMatch Match, BoundedRegex? Regex)[] _origins;

    /// <summary>Compiles a rule. A regular expression that cannot be used allows nobody.</summary>
    /// <param name="rule">The rule.</param>
    public CorsPolicy(CorsRule rule)
    {
        ArgumentNullException.ThrowIfNull(rule);
        _rule = rule;
        _origins = [.. rule.AllowOrigins.Select(origin =>
            (origin, origin.Kind == OriginMatchKind.RegularExpression && BoundedRegex.TryParse(origin.Value, out var regex) ? regex : null))];
        (_methods, _headers, Exposed) = (Joined(rule.AllowMethods), Joined(rule.AllowHeaders), Joined(rule.ExposeHeaders));
        MaxAge = rule.MaxAge is { } age ? ((long)age.TotalSeconds).ToString(CultureInfo.InvariantCulture) : null;
    }


    /// <summary>For <c>access-control-expose-headers</c>; null: not said.</summary>
    public string? Exposed { get; }

    /// <summary>For <c>access-control-max-age</c>, in seconds; null: not said.</summary>
    public string? MaxAge { get; }

    /// <summary>Whether credentials may be sent.</summary>
    public bool AllowsCredentials => _rule.AllowsCredentials;

    /// <summary>What becomes of a request.</summary>
    /// <param name="method">Its method.</param>
    /// <param name="origin">Its <c>origin</c> header; null: none.</param>
    /// <param name="requestedMethod">Its <c>access-control-request-method</c> header; null: none.</param>
    /// <param name="isAllowed">Whether the origin has the permission.</param>
    public CorsOutcome Judge(string method, string? origin, string? requestedMethod, out bool isAllowed)
    {
        isAllowed = !string.IsNullOrEmpty(origin) && Allows(origin);
        if (string.IsNullOrEmpty(origin))
        {
            return CorsOutcome.Nothing;
        }

        if (method == "OPTIONS" && !string.IsNullOrEmpty(requestedMethod))
        {
            return isAllowed || !_rule.ForwardsOtherPreflights ? CorsOutcome.Preflight : CorsOutcome.Nothing;
        }

        return isAllowed ? CorsOutcome.Allowed : CorsOutcome.Nothing;
    }

    /// <summary>For <c>access-control-allow-methods</c>; null: not said.</summary>
    /// <param name="requested">What the preflight asks for.</param>
    public string? MethodsFor(string? requested) => Said(_rule.AllowMethods, _methods, requested);

    /// <summary>For <c>access-control-allow-headers</c>; null: not said.</summary>
    /// <param name="requested">What the preflight asks for.</param>
    public string? HeadersFor(string? requested) => Said(_rule.AllowHeaders, _headers, requested);

    // With credentials a star is a name like others (Fetch, "CORS protocol and credentials"): what is asked for is what is allowed.
    private string? Said(ImmutableArray<string> allowed, string? joined, string? requested) =>
        AllowsCredentials && !allowed.IsDefaultOrEmpty && allowed.Contains("*") ? requested : joined;

    private bool Allows(string origin)
    {
        foreach (var (match, regex) in _origins)
        {
            var allows = match.Kind switch
            {
                OriginMatchKind.Any => true,
                OriginMatchKind.Exact => origin == match.Value,
                OriginMatchKind.Prefix => origin.StartsWith(match.Value, StringComparison.Ordinal),
                OriginMatchKind.Wildcard => MatchesWildcard(match.Value, origin),
                _ => regex?.IsMatch(origin) == true,
            };
            if (allows)
            {
                return true;
            }
        }

        return false;
    }

    private static bool MatchesWildcard(string pattern, string origin)
    {
        var star = pattern.IndexOf('*', StringComparison.Ordinal);
        return star < 0
            ? origin == pattern
            : origin.Length > pattern.Length - 1
                && origin.AsSpan().StartsWith(pattern.AsSpan(0, star))
                && origin.AsSpan().EndsWith(pattern.AsSpan(star + 1))
                && !origin.AsSpan(star, origin.Length - (pattern.Length - 1)).ContainsAny('/', ':', '@');
    }

    private static string? Joined(ImmutableArray<string> values) => values.IsDefaultOrEmpty ? null : string.Join(',', values);
}
