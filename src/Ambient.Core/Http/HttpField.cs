using System.Text;

namespace Ambient.Http;

/// <summary>One field of a message, as bytes that belong to the list it came from.</summary>
public readonly ref struct HttpField
{
    // Its line, which most look at one part of alone: the parts are cut when they are asked for.
    private readonly ReadOnlySpan<byte> _line;
    private readonly int _nameLength;

    internal HttpField(ReadOnlySpan<byte> line, int nameLength)
    {
        _line = line;
        _nameLength = nameLength;
    }

    /// <summary>Name, in lower case.</summary>
    public ReadOnlySpan<byte> Name => _line[.._nameLength];

    /// <summary>Value, without blanks around it.</summary>
    public ReadOnlySpan<byte> Value => _line.IsEmpty ? default : _line[(_nameLength + 2)..^2];

    /// <summary>Name as text.</summary>
    public string NameText => Encoding.ASCII.GetString(Name);

    /// <summary>Value as text, each byte one character (Latin-1).</summary>
    public string ValueText => Encoding.Latin1.GetString(Value);
}
