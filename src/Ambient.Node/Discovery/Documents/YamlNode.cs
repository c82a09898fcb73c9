namespace Ambient.Node.Discovery.Documents;

/// <summary>A node of a YAML document, with the place it was written at. JSON reads into the same tree.</summary>
internal abstract class YamlNode(int line, int column)
{
    /// <summary>Line, from 1.</summary>
    public int Line { get; } = line;

    /// <summary>Column, from 1.</summary>
    public int Column { get; } = column;

    /// <summary>How many nodes the subtree has when every alias in it is written out.</summary>
    public abstract int Size { get; }

    /// <summary>Whether the subtree has a mapping with <see cref="YamlMapping.Problems"/>.</summary>
    public virtual bool HasProblems => false;

    /// <summary>What the node is, for messages.</summary>
    public abstract string Describe();
}

/// <summary>
/// Something that makes the meaning of a mapping uncertain although the text can be read: a key that appears twice, a
/// merge of what is not a mapping. It counts only where the mapping is used.
/// </summary>
/// <param name="Line">Line, from 1.</param>
/// <param name="Column">Column, from 1.</param>
/// <param name="Message">What is wrong.</param>
internal readonly record struct YamlProblem(int Line, int Column, string Message);

/// <summary>A scalar. Its type follows from its text and whether it was quoted.</summary>
internal sealed class YamlScalar(string value, bool plain, string? tag, int line, int column) : YamlNode(line, column)
{
    /// <summary>Text.</summary>
    public string Value { get; } = value;

    /// <summary>Whether it was written without quotes, so that <c>true</c>, <c>1</c> and <c>~</c> are not strings.</summary>
    public bool IsPlain { get; } = plain;

    /// <summary>Local tag without the exclamation mark (<c>!Exact x</c>), or null.</summary>
    public string? Tag { get; } = tag;

    /// <inheritdoc/>
    public override int Size => 1;

    /// <summary>Whether this is the null of YAML: nothing, <c>~</c> or <c>null</c>.</summary>
    public bool IsNull => IsPlain && Value is "" or "~" or "null" or "Null" or "NULL";

    /// <inheritdoc/>
    public override string Describe() => IsNull
        ? "null"
        : YamlScalarType.Of(this) switch
        {
            YamlScalarType.Kind.Boolean => $"the boolean {Value}",
            YamlScalarType.Kind.Number => $"the number {Value}",
            _ => $"\"{Shorten(Value)}\"",
        };

    private static string Shorten(string text) => text.Length <= 60 ? text : text[..57] + "...";
}

/// <summary>A sequence.</summary>
internal sealed class YamlSequence(List<YamlNode> items, string? tag, int line, int column) : YamlNode(line, column)
{
    /// <summary>Items in written order.</summary>
    public List<YamlNode> Items { get; } = items;

    /// <summary>Local tag without the exclamation mark, or null.</summary>
    public string? Tag { get; } = tag;

    /// <inheritdoc/>
    public override int Size { get; } = YamlSize.Sum(items);

    /// <inheritdoc/>
    public override bool HasProblems { get; } = items.Exists(static item => item.HasProblems);

    /// <inheritdoc/>
    public override string Describe() => "a list";
}

/// <summary>A mapping. Keys are scalars and appear once; merged mappings (<c>&lt;&lt;</c>) are written out.</summary>
internal sealed class YamlMapping(
    List<KeyValuePair<YamlScalar, YamlNode>> entries, int line, int column, IReadOnlyList<YamlProblem>? problems = null) : YamlNode(line, column)
{
    /// <summary>What makes this mapping's own meaning uncertain.</summary>
    public IReadOnlyList<YamlProblem> Problems { get; } = problems ?? [];

    /// <inheritdoc/>
    public override bool HasProblems { get; } = problems is { Count: > 0 } || entries.Exists(static entry => entry.Value.HasProblems);

    /// <summary>Entries in written order.</summary>
    public List<KeyValuePair<YamlScalar, YamlNode>> Entries { get; } = entries;

    /// <inheritdoc/>
    public override int Size { get; } = YamlSize.Sum(entries);

    /// <summary>The value of a key, or null when it is absent.</summary>
    public YamlNode? Find(string key)
    {
        // Mappings are small (an object has a handful of fields): a scan costs less than an index would.
        foreach (var (name, value) in Entries)
        {
            if (name.Value == key)
            {
                return value;
            }
        }

        return null;
    }

    /// <inheritdoc/>
    public override string Describe() => "an object";
}

/// <summary>Sizes of subtrees, saturating: an alias bomb must not overflow the count that is to stop it.</summary>
internal static class YamlSize
{
    public static int Sum(List<YamlNode> items)
    {
        long size = 1;
        foreach (var item in items)
        {
            size += item.Size;
        }

        return (int)Math.Min(size, int.MaxValue);
    }

    public static int Sum(List<KeyValuePair<YamlScalar, YamlNode>> entries)
    {
        long size = 1;
        foreach (var (_, value) in entries)
        {
            size += 1L + value.Size;
        }

        return (int)Math.Min(size, int.MaxValue);
    }
}
