using Ambient.Node.Discovery.Documents;

namespace Ambient.Node.Discovery.Folder;

/// <summary>The <c>selector</c> of a security policy.</summary>
internal static class PolicySelectors
{
    /// <summary>
    /// The labels it asks for, or null when it selects everything: absent, or without labels, which means the same by
    /// the API's own description.
    /// </summary>
    public static Dictionary<string, string>? Read(FieldReader spec)
    {
        if (spec.Object("selector") is not { } selector)
        {
            return null;
        }

        var labels = selector.StringMap("matchLabels");
        foreach (var (name, value) in labels)
        {
            if (name.Length == 0)
            {
                selector.Error("matchLabels", "a label without a name");
            }

            if (name.Contains('*', StringComparison.Ordinal) || value.Contains('*', StringComparison.Ordinal))
            {
                selector.Error("matchLabels", $"\"{name}: {value}\": wildcards are not supported in selectors");
            }
        }

        return labels.Count > 0 ? labels : null;
    }
}
