using System.Buffers;
using System.Globalization;

namespace Ambient.Node.Hosting.Variables;

/// <summary>Durations as Istio's settings write them: numbers with units, added up. <c>5m</c>, <c>100ms</c>, <c>1h30m</c>.</summary>
internal static class DurationSyntax
{
    private static readonly SearchValues<char> NumberCharacters = SearchValues.Create("0123456789.");
    private static readonly SearchValues<char> UnitEnd = SearchValues.Create("0123456789. ");

    /// <summary>Reads a duration.</summary>
    public static TimeSpan Parse(string text) =>
        TryParse(text, out var value) ? value : throw new FormatException($"\"{text}\" is not a duration");

    /// <summary>Reads a duration that is not negative, up to 1000 days.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out TimeSpan value)
    {
        value = TimeSpan.Zero;
        text = text.Trim();
        if (text.IsEmpty)
        {
            return false;
        }

        var total = 0.0;
        while (!text.IsEmpty)
        {
            var digits = text.IndexOfAnyExcept(NumberCharacters);
            if (digits <= 0 || !double.TryParse(text[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
            {
                return false;
            }

            text = text[digits..].TrimStart();
            var unitLength = text.IndexOfAny(UnitEnd);
            var unit = unitLength < 0 ? text : text[..unitLength];
            double? seconds = unit switch
            {
                "ns" => 1e-9,
                "us" or "µs" => 1e-6,
                "ms" => 1e-3,
                "s" or "sec" => 1,
                "m" or "min" => 60,
                "h" or "hr" => 3600,
                "d" or "day" => 86400,
                "w" => 7 * 86400,
                "mon" => 30 * 86400,
                "y" => 365 * 86400,
                _ => null,
            };
            if (seconds is null)
            {
                return false;
            }

            total += number * seconds.Value;
            text = text[unit.Length..].TrimStart();
        }

        if (total > 86400.0 * 1000)
        {
            return false;
        }

        value = TimeSpan.FromSeconds(total);
        return true;
    }
}
