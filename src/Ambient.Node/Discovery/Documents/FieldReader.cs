namespace Ambient.Node.Discovery.Documents;

/// <summary>
/// Reads the fields of one object with the types they must have. A wrong value is noted with its place and path, and
/// the reader goes on with a harmless default, so that one load reports everything that is wrong.
/// </summary>
internal sealed class FieldReader
{
    private static readonly YamlMapping Nothing = new([], 0, 0);

    private readonly YamlMapping _fields;
    private readonly FieldReader? _parent;
    private readonly string _name;
    private readonly int _index;

    /// <summary>A reader of a whole document.</summary>
    public FieldReader(YamlMapping fields, ConfigurationErrors errors)
        : this(fields, errors, null, "", -1)
    {
    }

    /// <summary>A reader of an item of a list that is not in memory as a whole.</summary>
    public FieldReader(YamlMapping fields, ConfigurationErrors errors, string list, int index)
        : this(fields, errors, null, list, index)
    {
    }

    private FieldReader(YamlNode node, ConfigurationErrors errors, FieldReader? parent, string name, int index)
    {
        Node = node;
        Errors = errors;
        _fields = node as YamlMapping ?? Nothing;
        _parent = parent;
        _name = name;
        _index = index;
    }

    /// <summary>The object's node.</summary>
    public YamlNode Node { get; }

    /// <summary>Where errors go.</summary>
    public ConfigurationErrors Errors { get; }

    /// <summary>Whether the object has no field at all.</summary>
    public bool IsEmpty => _fields.Entries.Count == 0;

    /// <summary>Whether something in the object is wrong already: what it seems to lack may be what is misspelt.</summary>
    public bool HasErrors => Errors.HasBelow(Path);

    /// <summary>Path of the object within its document.</summary>
    public string Path => Combine(_parent?.Path ?? "", _index >= 0 ? $"{_name}[{_index}]" : _name);

    /// <summary>Notes an error about a field, or about the object as a whole when <paramref name="field"/> is empty.</summary>
    public void Error(string field, string message) =>
        Errors.Add(field.Length > 0 ? _fields.Find(field) ?? Node : Node, Combine(Path, field), message);

    /// <summary>Notes an error about an item of a list field.</summary>
    public void Error(string field, int index, string message)
    {
        var at = _fields.Find(field) is YamlSequence list && index < list.Items.Count ? list.Items[index] : Node;
        Errors.Add(at, Combine(Path, $"{field}[{index}]"), message);
    }

    /// <summary>Whether a field is present with a value other than null.</summary>
    public bool Has(string field) => Find(field) is not null;

    /// <summary>The node of a field, or null when absent or null.</summary>
    public YamlNode? Find(string field) => _fields.Find(field) is { } node and not YamlScalar { IsNull: true } ? node : null;

    /// <summary>Names of the fields present.</summary>
    public IEnumerable<YamlScalar> Names => _fields.Entries.Select(entry => entry.Key);

    /// <summary>
    /// Notes every field that is not known. For security objects: a misspelt condition that is skipped would widen a
    /// policy.
    /// </summary>
    public void RejectUnknown(params ReadOnlySpan<string> known)
    {
        foreach (var (key, _) in _fields.Entries)
        {
            if (!known.Contains(key.Value))
            {
                Errors.Add(key, Combine(Path, key.Value), $"unknown field; expected one of {string.Join(", ", known!)}{NearestWord.Hint(key.Value, known.ToArray())}");
            }
        }
    }

    /// <summary>A string field, or null.</summary>
    public string? String(string field) => Find(field) is { } node ? AsString(node, field) : null;

    /// <summary>A string field that must be there; empty after an error.</summary>
    public string RequiredString(string field)
    {
        var value = String(field);
        if (string.IsNullOrEmpty(value))
        {
            if (Find(field) is null or YamlScalar { Value: "" })
            {
                Error(field, "missing; expected a string");
            }

            return "";
        }

        return value;
    }

    /// <summary>A string field with one of the given values, or null; an empty one says nothing.</summary>
    public string? OneOf(string field, params ReadOnlySpan<string> values)
    {
        if (String(field) is not { Length: > 0 } value)
        {
            return null;
        }

        if (!values.Contains(value))
        {
            Error(field, $"\"{value}\" is not known; expected one of {string.Join(", ", values!)}{NearestWord.Hint(value, values.ToArray())}");
            return null;
        }

        return value;
    }

    /// <summary>An integer field within bounds, or null.</summary>
    public int? Integer(string field, int min, int max)
    {
        if (Find(field) is not { } node)
        {
            return null;
        }

        return AsInteger(node, field, min, max);
    }

    /// <summary>A list of integers within bounds; empty when absent.</summary>
    public List<int> Integers(string field, int min, int max)
    {
        var values = new List<int>();
        if (List(field) is { } list)
        {
            for (var i = 0; i < list.Items.Count; i++)
            {
                if (AsInteger(list.Items[i], $"{field}[{i}]", min, max) is { } value)
                {
                    values.Add(value);
                }
            }
        }

        return values;
    }

    /// <summary>An integer field that must be there; <paramref name="min"/> after an error.</summary>
    public int RequiredInteger(string field, int min, int max)
    {
        if (!Has(field))
        {
            Error(field, $"missing; expected a whole number from {min} to {max}");
            return min;
        }

        return Integer(field, min, max) ?? min;
    }

    /// <summary>A boolean field, or null.</summary>
    public bool? Boolean(string field)
    {
        if (Find(field) is not { } node)
        {
            return null;
        }

        if (node is YamlScalar scalar && YamlScalarType.TryBoolean(scalar, out var value))
        {
            return value;
        }

        Error(field, $"expected true or false, found {node.Describe()}");
        return null;
    }

    /// <summary>A list of strings; empty when absent.</summary>
    public List<string> Strings(string field)
    {
        var values = new List<string>();
        if (List(field) is { } list)
        {
            for (var i = 0; i < list.Items.Count; i++)
            {
                if (AsString(list.Items[i], $"{field}[{i}]") is { } value)
                {
                    values.Add(value);
                }
            }
        }

        return values;
    }

    /// <summary>An object of strings, such as labels; empty when absent.</summary>
    public Dictionary<string, string> StringMap(string field)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        if (Object(field) is { } map)
        {
            foreach (var (key, node) in map._fields.Entries)
            {
                if (node is YamlScalar { IsNull: true })
                {
                    values[key.Value] = "";
                }
                else if (map.AsString(node, key.Value) is { } value)
                {
                    values[key.Value] = value;
                }
            }
        }

        return values;
    }

    /// <summary>An object field, or null when absent.</summary>
    public FieldReader? Object(string field)
    {
        if (Find(field) is not { } node)
        {
            return null;
        }

        if (node is YamlMapping)
        {
            return new FieldReader(node, Errors, this, field, -1);
        }

        Error(field, $"expected an object, found {node.Describe()}");
        return null;
    }

    /// <summary>An object field; one without fields when absent.</summary>
    public FieldReader ObjectOrEmpty(string field) =>
        Object(field) ?? new FieldReader(new YamlMapping([], Node.Line, Node.Column), Errors, this, field, -1);

    /// <summary>The fields of an object field, each an object itself, by name.</summary>
    public IEnumerable<KeyValuePair<YamlScalar, FieldReader>> ObjectMap(string field)
    {
        if (Object(field) is not { } map)
        {
            yield break;
        }

        foreach (var (key, node) in map._fields.Entries)
        {
            if (node is YamlMapping or YamlScalar { IsNull: true })
            {
                yield return new(key, new FieldReader(node, Errors, map, key.Value, -1));
            }
            else
            {
                map.Error(key.Value, $"expected an object, found {node.Describe()}");
            }
        }
    }

    /// <summary>A list of objects; empty when absent. Null items are reported.</summary>
    public IEnumerable<FieldReader> Objects(string field)
    {
        return List(field) is { } list ? Items<YamlMapping>(list, field, "an object") : [];
    }

    /// <summary>The objects in this list.</summary>
    public IEnumerable<FieldReader> Objects() => Node is YamlSequence list ? Items<YamlMapping>(list, "", "an object") : [];

    /// <summary>A list of lists; empty when absent.</summary>
    public IEnumerable<FieldReader> Lists(string field) => List(field) is { } list ? Items<YamlSequence>(list, field, "a list") : [];

    /// <summary>The lists in this list.</summary>
    public IEnumerable<FieldReader> Lists() => Node is YamlSequence list ? Items<YamlSequence>(list, "", "a list") : [];

    private IEnumerable<FieldReader> Items<T>(YamlSequence list, string field, string expected)
        where T : YamlNode
    {
        for (var i = 0; i < list.Items.Count; i++)
        {
            if (list.Items[i] is T item)
            {
                yield return new FieldReader(item, Errors, this, field, i);
            }
            else
            {
                Errors.Add(list.Items[i], Combine(Path, $"{field}[{i}]"), $"expected {expected}, found {list.Items[i].Describe()}");
            }
        }
    }

    /// <summary>A list field, or null when absent.</summary>
    public YamlSequence? List(string field)
    {
        if (Find(field) is not { } node)
        {
            return null;
        }

        if (node is YamlSequence list)
        {
            return list;
        }

        Error(field, $"expected a list, found {node.Describe()}");
        return null;
    }

    private int? AsInteger(YamlNode node, string field, int min, int max)
    {
        if (node is YamlScalar scalar && YamlScalarType.TryInteger(scalar, out var value) && value >= min && value <= max)
        {
            return (int)value;
        }

        Error(field, $"expected a whole number from {min} to {max}, found {node.Describe()}");
        return null;
    }

    private string? AsString(YamlNode node, string field)
    {
        if (node is not YamlScalar scalar)
        {
            Errors.Add(node, Combine(Path, field), $"expected a string, found {node.Describe()}");
            return null;
        }

        var kind = YamlScalarType.Of(scalar);
        if (kind == YamlScalarType.Kind.String)
        {
            return scalar.Value;
        }

        Errors.Add(node, Combine(Path, field), kind == YamlScalarType.Kind.Null
            ? "expected a string, found null"
            : $"expected a string, found {scalar.Describe()}; write \"{scalar.Value}\" in quotes");
        return null;
    }

    private static string Combine(string path, string field) =>
        path.Length == 0 ? field : field.Length == 0 ? path : field[0] == '[' ? path + field : $"{path}.{field}";
}
