using System.Buffers;
using System.Globalization;
using Ambient.Node.Discovery.Documents;

namespace Ambient.Node.Discovery.Folder;

/// <summary>
/// Durations as Kubernetes objects have them: <c>1h30m</c>, <c>500ms</c> (GEP-2257 of the Gateway API), with fractions as in Istio's <c>1.5s</c>.
/// </summary>
internal static class Durations
{
    private static readonly SearchValues<char> s_digits = SearchValues.Create("0123456789.");
    private static readonly (string Unit, double Seconds)[] s_units = [("ms", 1e-3), ("us", 1e-6), ("µs", 1e-6), ("ns", 1e-9), ("h", 3600), ("m", 60), ("s", 1)];

    /// <summary>Reads a field; null when it is not there, or is no duration, which is reported.</summary>
    public static TimeSpan? Read(FieldReader fields, string field)
    {
        if (fields.String(field) is not { } text)
        {
            return null;
        }

        if (TryParse(text, out var duration))
        {
            return duration;
        }

        fields.Error(field, $"\"{text}\" is not a duration; expected a form like 10s, 500ms or 1h30m");
        return null;
    }

    /// <summary>Reads a duration of at most a thousand days; false when it is none.</summary>
    public static bool TryParse(string text, out TimeSpan duration)
    {
        duration = default;
        var rest = text.AsSpan();
        if (rest is "0")
        {
            return true;
        }

        var seconds = 0.0;
        while (!rest.IsEmpty)
        {
            var digits = rest.IndexOfAnyExcept(s_digits);
            if (digits <= 0 || !double.TryParse(rest[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
            {
                return false;
            }

            rest = rest[digits..];
            var found = false;
            foreach (var (unit, value) in s_units)
            {
                if (rest.StartsWith(unit, StringComparison.Ordinal))
                {
                    seconds += number * value;
                    rest = rest[unit.Length..];
                    found = true;
                    break;
                }
            }

            if (!found || seconds > 86_400_000)
            {
                return false;
            }
        }

        duration = TimeSpan.FromSeconds(seconds);
        return text.Length > 0;
    }
}
