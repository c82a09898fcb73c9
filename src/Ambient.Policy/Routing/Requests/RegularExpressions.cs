namespace Ambient.Policy.Routing.Requests;

/// <summary>Regular expressions of routes and policies, which are written for RE2 (https://github.com/google/re2/wiki/Syntax).</summary>
public static class RegularExpressions
{
    /// <summary>
    /// Whether an expression can be used: of at most 4096 characters, in linear time, and with the meaning that it has for RE2. One that cannot makes the rule
    /// that has it answer with an error, or the policy decide against the request.
    /// </summary>
    public static bool IsUsable(string pattern)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        return BoundedRegex.TryParse(pattern, out _);
    }
}
