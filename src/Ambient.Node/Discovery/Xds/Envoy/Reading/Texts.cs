using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Text.RegularExpressions;
using Ambient.Mesh;
using Ambient.Node.Protos.Envoy;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Discovery.Xds.Envoy.Reading;

/// <summary>Comparisons of texts and addresses of the wire, as the model has them.</summary>
internal static class Texts
{
    /// <summary>A comparison of a policy; null: it is of a kind that is not known.</summary>
    public static TextComparison? Comparison(StringMatcher? matcher) => matcher?.MatchPatternCase switch
    {
        StringMatcher.MatchPatternOneofCase.Exact => new(TextComparisonKind.Exact, matcher.Exact, matcher.IgnoreCase),
        StringMatcher.MatchPatternOneofCase.Prefix => new(TextComparisonKind.Prefix, matcher.Prefix, matcher.IgnoreCase),
        StringMatcher.MatchPatternOneofCase.Suffix => new(TextComparisonKind.Suffix, matcher.Suffix, matcher.IgnoreCase),
        StringMatcher.MatchPatternOneofCase.SafeRegex => new(TextComparisonKind.RegularExpression, matcher.SafeRegex.Regex),
        _ => null,
    };

    /// <summary>A comparison of a route; null: it is of a kind that is not known.</summary>
    public static TextMatch? Match(StringMatcher? matcher) => matcher?.MatchPatternCase switch
    {
        StringMatcher.MatchPatternOneofCase.Exact => matcher.IgnoreCase
            ? Pattern($"(?i:{Regex.Escape(matcher.Exact)})") : TextMatch.Exact(matcher.Exact),
        StringMatcher.MatchPatternOneofCase.Prefix => matcher.IgnoreCase
            ? Pattern($"(?i:{Regex.Escape(matcher.Prefix)})(?s:.*)") : new TextMatch(TextMatchKind.Prefix, matcher.Prefix),
        StringMatcher.MatchPatternOneofCase.Suffix => Pattern($"(?s:.*){(matcher.IgnoreCase ? "(?i:" : "(?:")}{Regex.Escape(matcher.Suffix)})"),
        StringMatcher.MatchPatternOneofCase.SafeRegex => IsUsable(matcher.SafeRegex.Regex) ? Pattern(matcher.SafeRegex.Regex) : null,
        _ => null,
    };

    /// <summary>A header list's entry, as providers have them; null: of a kind that they cannot have.</summary>
    public static StringMatch? Header(StringMatcher matcher) => matcher.MatchPatternCase switch
    {
        StringMatcher.MatchPatternOneofCase.Exact => new(StringMatchKind.Exact, matcher.Exact),
        StringMatcher.MatchPatternOneofCase.Prefix => new(StringMatchKind.Prefix, matcher.Prefix),
        StringMatcher.MatchPatternOneofCase.Suffix => new(StringMatchKind.Suffix, matcher.Suffix),
        StringMatcher.MatchPatternOneofCase.SafeRegex when matcher.SafeRegex.Regex is ".+" or ".*" => new(StringMatchKind.Presence, ""),
        _ => null,
    };

    /// <summary>Whether a regular expression runs here as it does in Envoy: in linear time, and no longer than any of ours.</summary>
    public static bool IsUsable(string pattern) => RegularExpressions.IsUsable(pattern);

    /// <summary>A range of addresses; false: it is none.</summary>
    public static bool TryRange(string prefix, uint? length, [NotNullWhen(true)] out IPNetwork? range)
    {
        range = null;
        if (!IPAddress.TryParse(prefix, out var address))
        {
            return false;
        }

        var bytes = address.GetAddressBytes();
        var bits = length ?? 0;
        if (bits > bytes.Length * 8)
        {
            return false;
        }

        for (var bit = (int)bits; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        }

        range = new IPNetwork(new IPAddress(bytes), (int)bits);
        return true;
    }

    /// <summary>Parts of a million; without a value <paramref name="otherwise"/>.</summary>
    public static int Parts(FractionalPercent? percent, int otherwise) => percent is null ? otherwise : (int)Math.Min(1_000_000UL, percent.Denominator switch
    {
        FractionalPercent.Types.DenominatorType.Hundred => percent.Numerator * 10_000UL,
        FractionalPercent.Types.DenominatorType.TenThousand => percent.Numerator * 100UL,
        _ => percent.Numerator,
    });

    private static TextMatch Pattern(string pattern) => new(TextMatchKind.RegularExpression, pattern);
}
