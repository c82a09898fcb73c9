namespace Ambient.Node.Discovery.Documents;

/// <summary>Which texts Kubernetes takes as the name of a port.</summary>
internal static class PortNames
{
    /// <summary>
    /// Why a text cannot be the name of a container's port, which a <c>targetPort</c> names; null when it can. The rules
    /// are those of service names (RFC 6335, section 5.1).
    /// </summary>
    public static string? WhyNotOfContainer(string name)
    {
        if (name.Length is 0 or > 15)
        {
            return "expected 1 to 15 characters";
        }

        if (!OnlyLettersDigitsHyphens(name))
        {
            return "expected lower-case letters, digits and '-'";
        }

        if (!name.AsSpan().ContainsAnyInRange('a', 'z'))
        {
            return "a port's name needs a letter";
        }

        return name[0] == '-' || name[^1] == '-' || name.Contains("--", StringComparison.Ordinal)
            ? "'-' must not stand at an end, nor twice in a row"
            : null;
    }

    /// <summary>Why a text cannot be the name of a Service's port, a DNS label; null when it can.</summary>
    public static string? WhyNotOfService(string name)
    {
        if (name.Length is 0 or > 63)
        {
            return "expected 1 to 63 characters";
        }

        return !OnlyLettersDigitsHyphens(name) ? "expected lower-case letters, digits and '-'"
            : name[0] == '-' || name[^1] == '-' ? "'-' must not stand at an end"
            : null;
    }

    private static bool OnlyLettersDigitsHyphens(string name)
    {
        foreach (var c in name)
        {
            if (!char.IsAsciiLetterLower(c) && !char.IsAsciiDigit(c) && c != '-')
            {
                return false;
            }
        }

        return true;
    }
}
