using System.Diagnostics.CodeAnalysis;

namespace Ambient.Policy.Authorization;

/// <summary>
/// A path with operators: <c>{*}</c> stands for one segment, not empty; <c>{**}</c> for anything, slashes included, and
/// may only be the last operator. What stands between operators is compared as it is, case and slashes included.
/// </summary>
internal sealed class PathTemplate
{
    private const string Segment = "{*}";
    private const string Rest = "{**}";

    // Literals around the single-segment operators; the last one stands before {**} when there is one.
    private readonly string[] _literals;
    private readonly string? _suffix;

    private PathTemplate(string[] literals, string? suffix)
    {
        _literals = literals;
        _suffix = suffix;
    }

    /// <summary>What every path that fits begins with.</summary>
    internal string Beginning => _literals[0];

    /// <summary>Whether a policy value is a template rather than a plain string.</summary>
    internal static bool IsTemplate(string value) =>
        value.Contains(Segment, StringComparison.Ordinal) || value.Contains(Rest, StringComparison.Ordinal);

    /// <summary>Reads a template. False when it breaks the rules above, or has an operator beside other text in its segment.</summary>
    internal static bool TryParse(string value, [NotNullWhen(true)] out PathTemplate? template)
    {
        template = null;
        if (!value.StartsWith('/'))
        {
            return false;
        }

        var segments = value[1..].Split('/');
        for (var i = 0; i < segments.Length; i++)
        {
            var isOperator = segments[i] is Segment or Rest;
            if ((!isOperator && segments[i].AsSpan().ContainsAny('{', '}', '*'))
                || (segments[i] == Rest && segments.AsSpan(i + 1).ContainsAny(Segment, Rest)))
            {
                return false;
            }
        }

        var rest = value.IndexOf(Rest, StringComparison.Ordinal);
        var before = rest < 0 ? value : value[..rest];
        template = new PathTemplate(before.Split(Segment), rest < 0 ? null : value[(rest + Rest.Length)..]);
        return true;
    }

    /// <summary>Whether a normalised path fits.</summary>
    internal bool IsMatch(ReadOnlySpan<char> path)
    {
        for (var i = 0; i < _literals.Length; i++)
        {
            if (i > 0)
            {
                var end = path.IndexOf('/');
                var length = end < 0 ? path.Length : end;
                if (length == 0)
                {
                    return false;
                }

                path = path[length..];
            }

            if (!path.StartsWith(_literals[i], StringComparison.Ordinal))
            {
                return false;
            }

            path = path[_literals[i].Length..];
        }

        return _suffix is null ? path.IsEmpty : path.EndsWith(_suffix, StringComparison.Ordinal);
    }
}
