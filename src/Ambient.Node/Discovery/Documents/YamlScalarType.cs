using System.Globalization;

namespace Ambient.Node.Discovery.Documents;

/// <summary>What a plain scalar means, by the rules that Kubernetes' own YAML reader applies.</summary>
internal static class YamlScalarType
{
    /// <summary>Type of a scalar.</summary>
    public enum Kind
    {
        /// <summary>Nothing.</summary>
        Null,

        /// <summary>true or false, in one of their spellings.</summary>
        Boolean,

        /// <summary>A number.</summary>
        Number,

        /// <summary>Everything else.</summary>
        String,
    }

    /// <summary>The type of <paramref name="scalar"/>; quoted scalars are always strings.</summary>
    public static Kind Of(YamlScalar scalar)
    {
        if (!scalar.IsPlain)
        {
            return Kind.String;
        }

        if (scalar.IsNull)
        {
            return Kind.Null;
        }

        if (TryBoolean(scalar, out _))
        {
            return Kind.Boolean;
        }

        return IsNumber(scalar.Value) ? Kind.Number : Kind.String;
    }

    /// <summary>Reads a boolean.</summary>
    public static bool TryBoolean(YamlScalar scalar, out bool value)
    {
        value = false;
        if (!scalar.IsPlain)
        {
            return false;
        }

        switch (scalar.Value)
        {
            case "true" or "True" or "TRUE" or "yes" or "Yes" or "YES" or "on" or "On" or "ON":
                value = true;
                return true;
            case "false" or "False" or "FALSE" or "no" or "No" or "NO" or "off" or "Off" or "OFF":
                return true;
            default:
                return false;
        }
    }

    /// <summary>
    /// Reads a whole number, in the forms of YAML 1.1 that Kubernetes' reader takes: 0x and 0b, 0 or 0o before octal digits, underscores between
    /// digits. A number that another tool reads otherwise than the cluster must not open another port here.
    /// </summary>
    public static bool TryInteger(YamlScalar scalar, out long value)
    {
        value = 0;
        return scalar.IsPlain && TryInteger(scalar.Value, out value);
    }

    private static bool TryInteger(string text, out long value)
    {
        value = 0;
        if (text.Length == 0 || !(char.IsAsciiDigit(text[0]) || (text[0] is '-' or '+' && text.Length > 1 && char.IsAsciiDigit(text[1]))))
        {
            return false;
        }

        var negative = text[0] == '-';
        var digits = text.AsSpan(text[0] is '-' or '+' ? 1 : 0);
        if (digits[0] != '0' && !digits.Contains('_'))
        {
            return long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);
        }

        var plain = digits.ToString().Replace("_", "", StringComparison.Ordinal);
        var (radix, start) = plain switch
        {
            ['0', 'x' or 'X', ..] => (16, 2),
            ['0', 'b' or 'B', ..] => (2, 2),
            ['0', 'o' or 'O', ..] => (8, 2),
            ['0', _, ..] => (8, 1),
            _ => (10, 0),
        };
        if (start == plain.Length)
        {
            return false;
        }

        foreach (var c in plain.AsSpan(start))
        {
            var digit = char.IsAsciiHexDigit(c) ? Convert.ToInt32(c.ToString(), 16) : radix;
            if (digit >= radix || value > (long.MaxValue - digit) / radix)
            {
                return false;
            }

            value = (value * radix) + digit;
        }

        value = negative ? -value : value;
        return true;
    }

    private static bool IsNumber(string text)
    {
        if (text.Length == 0 || !(char.IsAsciiDigit(text[0]) || text[0] is '-' or '+' or '.'))
        {
            return false;
        }

        return TryInteger(text, out _) || double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out _);
    }
}
