using System.Text;

namespace Ambient.Http;

/// <summary>One field of a message, as bytes that belong to the list it came from.</summary>
public readonly ref struct HttpField
{
    internal HttpField(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        Name = name;
        Value = value;
    }

    /// <summary>Name, in lower case.</summary>
    public ReadOnlySpan<byte> Name { get; }

    /// <summary>Value, without blanks around it.</summary>
    public ReadOnlySpan<byte> Value { get; }

    /// <summary>Name as text.</summary>
    public string NameText => Encoding.ASCII.GetString(Name);

    /// <summary>Value as text, each byte one character (Latin-1).</summary>
    public string ValueText => Encoding.Latin1.GetString(Value);
}
