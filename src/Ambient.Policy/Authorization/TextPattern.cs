using System.Diagnostics.CodeAnalysis;
using Ambient.Mesh;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Policy.Authorization;

/// <summary>A comparison of a text that policies cannot be written with but a control plane can, ready to be asked.</summary>
internal sealed class TextPattern
{
    private readonly TextComparison _comparison;
    private readonly BoundedRegex? _regex;

    private TextPattern(TextComparison comparison, BoundedRegex? regex) => (_comparison, _regex) = (comparison, regex);

    /// <summary>Compiles one; false when it is a regular expression that cannot be used.</summary>
    internal static bool TryCreate(TextComparison comparison, [NotNullWhen(true)] out TextPattern? pattern)
    {
        BoundedRegex? regex = null;
        if (comparison.Kind == TextComparisonKind.RegularExpression && (comparison.IgnoresCase || !BoundedRegex.TryParse(comparison.Value, out regex)))
        {
            pattern = null;
            return false;
        }

        pattern = new TextPattern(comparison, regex);
        return true;
    }

    /// <summary>Whether a text compares.</summary>
    internal bool IsMatch(string text)
    {
        var letters = _comparison.IgnoresCase ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;
        return _comparison.Kind switch
        {
            TextComparisonKind.Exact => text.Equals(_comparison.Value, letters),
            TextComparisonKind.Prefix => text.StartsWith(_comparison.Value, letters),
            TextComparisonKind.Suffix => text.EndsWith(_comparison.Value, letters),
            TextComparisonKind.Contains => text.Contains(_comparison.Value, letters),
            TextComparisonKind.RegularExpression => _regex!.IsMatch(text),
            _ => true,
        };
    }
}

/// <summary>A text of the request or connection, by a pattern. One that is missing matches nothing; one that is not known may be any.</summary>
internal sealed class TextPatternMatcher(RequestText text, string name, TextPattern pattern) : IRequestMatcher
{
    /// <inheritdoc/>
    public Verdict Match(in RequestContext request)
    {
        if (text is RequestText.Path or RequestText.Header && !request.IsHttp)
        {
            return Verdict.Maybe;
        }

        if (text == RequestText.ServerName && request.ServerName is null)
        {
            return Verdict.Maybe;
        }

        var value = text switch
        {
            RequestText.Identity => request.Identity?.ToString(),
            RequestText.Path => request.Path,
            RequestText.Header => request.Header(name),
            _ => request.ServerName,
        };
        return (value is not null && pattern.IsMatch(value)).ToVerdict();
    }
}

/// <summary>A claim of the request's token, by a pattern.</summary>
internal sealed class ClaimPatternMatcher(string[] path, TextPattern pattern) : IRequestMatcher
{
    /// <inheritdoc/>
    public Verdict Match(in RequestContext request)
    {
        if (!request.IsHttp)
        {
            return Verdict.Maybe;
        }

        if (request.Claims is { } claims)
        {
            foreach (var text in claims.Find(path).AsSpan())
            {
                if (pattern.IsMatch(text))
                {
                    return Verdict.Yes;
                }
            }
        }

        return Verdict.No;
    }
}
