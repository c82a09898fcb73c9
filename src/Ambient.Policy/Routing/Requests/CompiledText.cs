using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>A comparison of a text, ready to be asked.</summary>
internal readonly record struct CompiledText(TextMatchKind Kind, string Value, BoundedRegex? Regex)
{
    /// <summary>Whether its regular expression cannot be used: it matches nothing then, whatever is compared.</summary>
    internal bool IsBroken => Kind == TextMatchKind.RegularExpression && Regex is null;

    /// <summary>Whether it asks only that something is there.</summary>
    internal bool IsPresence => Kind == TextMatchKind.Present;

    internal static CompiledText Of(TextMatch match)
    {
        BoundedRegex? regex = null;
        _ = match.Kind == TextMatchKind.RegularExpression && BoundedRegex.TryParse(match.Value, out regex);
        return new CompiledText(match.Kind, match.Value, regex);
    }

    internal bool Matches(string value) => Kind switch
    {
        TextMatchKind.Exact => value == Value,
        TextMatchKind.Prefix => value.StartsWith(Value, StringComparison.Ordinal),
        TextMatchKind.RegularExpression => Regex?.IsMatch(value) == true,
        _ => true,
    };
}
