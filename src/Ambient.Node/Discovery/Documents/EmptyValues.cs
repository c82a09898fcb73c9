namespace Ambient.Node.Discovery.Documents;

/// <summary>Values that are written and say nothing, as tools that serialise Go types leave them behind.</summary>
internal static class EmptyValues
{
    /// <summary>Whether a node holds nothing but nulls, empty texts, empty lists and empty objects.</summary>
    public static bool SayNothing(YamlNode node) => node switch
    {
        YamlScalar scalar => scalar.IsNull || scalar.Value.Length == 0,
        YamlSequence list => list.Items.Count == 0,
        YamlMapping mapping => mapping.Entries.TrueForAll(static entry => SayNothing(entry.Value)),
        _ => false,
    };
}
