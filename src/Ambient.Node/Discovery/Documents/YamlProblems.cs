namespace Ambient.Node.Discovery.Documents;

/// <summary>Reports the problems of mappings that are used.</summary>
internal static class YamlProblems
{
    /// <summary>Adds an error for each problem within <paramref name="node"/>.</summary>
    public static void Report(YamlNode node, ConfigurationErrors errors)
    {
        if (node.HasProblems)
        {
            Report(node, errors, new HashSet<YamlNode>(ReferenceEqualityComparer.Instance));
        }
    }

    private static void Report(YamlNode node, ConfigurationErrors errors, HashSet<YamlNode> seen)
    {
        // What an alias names is reported once, however often it is used.
        if (!node.HasProblems || !seen.Add(node))
        {
            return;
        }

        if (node is YamlSequence list)
        {
            foreach (var item in list.Items)
            {
                Report(item, errors, seen);
            }
        }
        else if (node is YamlMapping mapping)
        {
            foreach (var problem in mapping.Problems)
            {
                errors.Add(new ConfigurationError(errors.File, problem.Line, problem.Column, errors.Subject, "", problem.Message));
            }

            foreach (var entry in mapping.Entries)
            {
                Report(entry.Value, errors, seen);
            }
        }
    }
}
