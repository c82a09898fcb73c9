using System.Collections.Frozen;

namespace Ambient.Node.Discovery.Kinds;

/// <summary>What the mesh does with a field or kind that it knows.</summary>
internal enum FieldUse
{
    /// <summary>It is acted on.</summary>
    Acted,

    /// <summary>Somebody expects an effect, and here it has none: known, not supported here.</summary>
    NotSupported,

    /// <summary>It has no effect on the mesh anywhere: passed over.</summary>
    Harmless,
}

/// <summary>The type of a field's values, below any list or map.</summary>
internal enum FieldType
{
    /// <summary>A string; numbers and booleans need quotes.</summary>
    String,

    /// <summary>A whole number, without quotes.</summary>
    Integer,

    /// <summary>A number, without quotes.</summary>
    Number,

    /// <summary>True or false, without quotes.</summary>
    Boolean,

    /// <summary>A whole number or a string.</summary>
    IntegerOrString,

    /// <summary>An object with the fields of <see cref="FieldSchema.Fields"/>.</summary>
    Object,

    /// <summary>Anything; not looked into.</summary>
    Any,
}

/// <summary>A field of a kind: its name, its type, and what the mesh does with it.</summary>
internal sealed class FieldSchema
{
    /// <summary>Name.</summary>
    public required string Name { get; init; }

    /// <summary>What the mesh does with it.</summary>
    public FieldUse Use { get; init; }

    /// <summary>Type of its values.</summary>
    public FieldType Type { get; init; }

    /// <summary>Lists (<c>[]</c>) and maps (<c>{}</c>) around the values, the outermost first: <c>[]</c> is a list of them.</summary>
    public string Containers { get; init; } = "";

    /// <summary>Values that it may have; null when any value will do.</summary>
    public FieldValues? Values { get; init; }

    /// <summary>Fields of an object, by name.</summary>
    public FrozenDictionary<string, FieldSchema> Fields { get; set; } = FrozenDictionary<string, FieldSchema>.Empty;
}

/// <summary>The values of a field that are known.</summary>
/// <param name="Known">Values that are acted on.</param>
/// <param name="NotSupported">Values that are known and not supported here; one that ends with <c>*</c> stands for all that begin so.</param>
/// <param name="IsClosed">Whether any other value is an error.</param>
internal sealed record FieldValues(IReadOnlyList<string> Known, IReadOnlyList<string> NotSupported, bool IsClosed)
{
    /// <summary>Every value there is, for messages.</summary>
    public IEnumerable<string> All => Known.Concat(NotSupported);

    /// <summary>Whether a value is known and not supported here.</summary>
    public bool IsNotSupported(string value) => NotSupported.Any(known =>
        known.EndsWith('*') ? value.StartsWith(known[..^1], StringComparison.Ordinal) : value == known);
}
