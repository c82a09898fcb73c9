namespace Ambient.Node.Discovery.Documents;

/// <summary>The text is not YAML, or exceeds a limit.</summary>
internal sealed class YamlReadException(int line, int column, string message) : Exception(message)
{
    /// <summary>Line, from 1.</summary>
    public int Line { get; } = line;

    /// <summary>Column, from 1.</summary>
    public int Column { get; } = column;
}
