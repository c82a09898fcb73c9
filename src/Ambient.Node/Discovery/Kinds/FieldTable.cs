using System.Collections.Frozen;

namespace Ambient.Node.Discovery.Kinds;

/// <summary>
/// Reads the tables of kinds and fields that are built into this assembly. One entry a line, a field's own fields two blanks
/// further in:
/// <code>
/// group NAME strict|open      the kinds that follow are of this group (core: the group without a name)
/// names KIND...               further kinds of the group, whose fields are not listed
/// shape NAME                  fields that several places share, of this group and those after it; a field refers to them by =NAME
/// kind NAME namespaced|cluster VERSION...
///   field TYPE                string, int, number, bool, intOrString, object, any, enum(A|B) or open(A|B); [] list, {} map
/// </code>
/// A <c>-</c> before a kind, a field or a value: known, not supported here. A <c>~</c> before a field: harmless.
/// </summary>
internal sealed class FieldTable
{
    private readonly Dictionary<string, FrozenDictionary<string, FieldSchema>> _shapes = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ApiGroup> _groups;
    private readonly string[] _lines;
    private int _next;

    private FieldTable(string text, Dictionary<string, ApiGroup> groups)
    {
        _lines = text.Split('\n');
        _groups = groups;
    }

    /// <summary>Adds the groups of one table to <paramref name="groups"/>.</summary>
    /// <exception cref="FormatException">The table is malformed, and the line is named.</exception>
    public static void Read(string text, Dictionary<string, ApiGroup> groups) => new FieldTable(text, groups).Read();

    private void Read()
    {
        Dictionary<string, FieldUse> kinds = [];
        Dictionary<string, KindSchema> schemas = [];
        var group = "";
        while (Peek(0) is { } line)
        {
            _next++;
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            switch (words)
            {
                case ["group", var name, "strict" or "open"]:
                    group = name == "core" ? "" : name;
                    (kinds, schemas) = (new(StringComparer.Ordinal), new(StringComparer.Ordinal));
                    _groups.Add(group, new ApiGroup(group, words[2] == "strict", kinds, schemas));
                    break;
                case ["names", .. var names]:
                    foreach (var name in names)
                    {
                        kinds[name.TrimStart('-')] = name[0] == '-' ? FieldUse.NotSupported : FieldUse.Harmless;
                    }

                    break;
                case ["shape", var name]:
                    _shapes.Add(name, ReadFields(2));
                    break;
                case ["kind" or "-kind", var name, "namespaced" or "cluster", .. var versions] when versions.Length > 0:
                    var use = line[0] == '-' ? FieldUse.NotSupported : FieldUse.Acted;
                    kinds[name] = use;
                    schemas.Add(name, new KindSchema(group, name, use, words[2] == "namespaced", versions, ReadFields(2)));
                    break;
                default:
                    throw Malformed();
            }
        }
    }

    private FrozenDictionary<string, FieldSchema> ReadFields(int indent)
    {
        var fields = new Dictionary<string, FieldSchema>(StringComparer.Ordinal);
        while (Peek(indent) is { } line)
        {
            _next++;
            if (line.Split(' ') is not [var name, var type])
            {
                throw Malformed();
            }

            var field = ReadField(name, type);
            if (field.Type == FieldType.Object && type[0] != '=')
            {
                field.Fields = ReadFields(indent + 2);
            }

            fields.Add(field.Name, field);
        }

        return fields.ToFrozenDictionary(StringComparer.Ordinal);
    }

    private FieldSchema ReadField(string name, string type)
    {
        var use = name[0] switch { '-' => FieldUse.NotSupported, '~' => FieldUse.Harmless, _ => FieldUse.Acted };
        name = use == FieldUse.Acted ? name : name[1..];
        var containers = type.IndexOfAny(['[', '{']) is var start and >= 0 ? type[start..] : "";
        type = type[..^containers.Length];
        if (type[0] == '=')
        {
            return new FieldSchema { Name = name, Use = use, Type = FieldType.Object, Containers = containers, Fields = _shapes[type[1..]] };
        }

        FieldValues? values = null;
        if (type.StartsWith("enum(", StringComparison.Ordinal) || type.StartsWith("open(", StringComparison.Ordinal))
        {
            var words = type[5..^1].Split('|');
            values = new FieldValues(
                [.. words.Where(word => word[0] != '-')], [.. words.Where(word => word[0] == '-').Select(word => word[1..])], type[0] == 'e');
            type = "string";
        }

        return new FieldSchema { Name = name, Use = use, Containers = containers, Values = values, Type = TypeOf(type) };
    }

    private FieldType TypeOf(string type) => type switch
    {
        "string" => FieldType.String,
        "int" => FieldType.Integer,
        "number" => FieldType.Number,
        "bool" => FieldType.Boolean,
        "intOrString" => FieldType.IntegerOrString,
        "object" => FieldType.Object,
        "any" => FieldType.Any,
        _ => throw Malformed(),
    };

    /// <summary>The next line that is neither empty nor a comment, without its indentation; null when it is not at this one.</summary>
    private string? Peek(int indent)
    {
        while (_next < _lines.Length && (_lines[_next].Length == 0 || _lines[_next][0] == '#'))
        {
            _next++;
        }

        if (_next == _lines.Length)
        {
            return null;
        }

        var line = _lines[_next];
        var blanks = line.Length - line.TrimStart(' ').Length;
        return blanks == indent ? line[indent..] : blanks < indent ? null : throw new FormatException($"line {_next + 1} is too far in: {line}");
    }

    private FormatException Malformed() => new($"line {_next} is malformed: {_lines[Math.Max(0, _next - 1)]}");
}
