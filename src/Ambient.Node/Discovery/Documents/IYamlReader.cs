namespace Ambient.Node.Discovery.Documents;

/// <summary>
/// Reads YAML node by node, holding no more than the node that was asked for. The text being wrong, or beyond the
/// reader's limits, surfaces as <see cref="YamlReadException"/> with its place.
/// </summary>
internal interface IYamlReader
{
    /// <summary>Line of the next node, from 1.</summary>
    int Line { get; }

    /// <summary>Column of the next node, from 1.</summary>
    int Column { get; }

    /// <summary>Goes to the next document; false at the end of the text.</summary>
    bool NextDocument();

    /// <summary>Enters a mapping whose values the caller reads one by one with <see cref="NextKey"/>; false when the next node is something else.</summary>
    bool EnterMapping();

    /// <summary>The next key of the mapping entered last, or null at its end.</summary>
    YamlScalar? NextKey();

    /// <summary>Enters a sequence whose items the caller reads one by one while <see cref="NextItem"/>; false when the next node is something else.</summary>
    bool EnterSequence();

    /// <summary>Whether the sequence entered last has another item; leaves it when not.</summary>
    bool NextItem();

    /// <summary>Reads the next node whole.</summary>
    YamlNode ReadNode();
}
