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

    private static bool IsNumber(string text)
    {
        if (text.Length == 0 || !(char.IsAsciiDigit(text[0]) || text[0] is '-' or '+' or '.'))
        {
            return false;
        }

        if (text.StartsWith("0x", StringComparison.Ordinal))
        {
            return text.Length > 2 && text[2..].All(char.IsAsciiHexDigit);
        }

        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out _);
    }
}
