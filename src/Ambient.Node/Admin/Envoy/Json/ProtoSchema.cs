using System.Collections.Frozen;
using System.Globalization;

namespace Ambient.Node.Admin.Envoy.Json;

/// <summary>
/// Names, numbers and types of the messages that istiod configures an Envoy with, from a table in this assembly. It has more than what is acted on: what an
/// operator sees is what was sent.
/// </summary>
internal sealed class ProtoSchema
{
    private static readonly Lazy<ProtoSchema> s_envoy = new(static () => new ProtoSchema(ReadTable()));
    private static readonly FrozenDictionary<int, ProtoField> s_none = FrozenDictionary<int, ProtoField>.Empty;

    private readonly Dictionary<string, FrozenDictionary<int, ProtoField>> _messages = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Dictionary<long, string>> _enums = new(StringComparer.Ordinal);

    private ProtoSchema(string table)
    {
        Dictionary<int, ProtoField>? fields = null;
        Dictionary<long, string>? values = null;
        var message = "";
        foreach (var line in table.Split('\n', StringSplitOptions.RemoveEmptyEntries).Append("message "))
        {
            switch (line.Split(' '))
            {
                case ["#", ..]:
                    break;
                case ["message", var name]:
                    if (fields is not null)
                    {
                        _messages.Add(message, fields.ToFrozenDictionary());
                    }

                    (message, fields, values) = (name, [], null);
                    break;
                case ["enum", var name]:
                    _enums.Add(name, values = []);
                    break;
                case [var number, var value] when values is not null:
                    values.Add(long.Parse(number, CultureInfo.InvariantCulture), value);
                    break;
                case [var number, var name, var type] when fields is not null:
                    fields.Add(int.Parse(number, CultureInfo.InvariantCulture), Field(name, type));
                    break;
                default:
                    throw new FormatException($"the table of Envoy's messages has a line that is none: {line}");
            }
        }
    }

    /// <summary>Envoy's messages.</summary>
    public static ProtoSchema Envoy => s_envoy.Value;

    /// <summary>Whether a message is in the table.</summary>
    public bool Knows(string message) => _messages.ContainsKey(message);

    /// <summary>Fields of a message by number; none where the table does not have it.</summary>
    public FrozenDictionary<int, ProtoField> Fields(string message) => _messages.GetValueOrDefault(message, s_none);

    /// <summary>Whether a type is an enum.</summary>
    public bool IsEnum(string type) => _enums.ContainsKey(type);

    /// <summary>Name of an enum's value; null: none is known.</summary>
    public string? NameOf(string type, long value) => _enums[type].GetValueOrDefault(value);

    private static ProtoField Field(string name, string type)
    {
        const string Map = "map<string,";
        return type.StartsWith(Map, StringComparison.Ordinal) ? new ProtoField(name, type[Map.Length..^1], false, true)
            : type.EndsWith("[]", StringComparison.Ordinal) ? new ProtoField(name, type[..^2], true, false)
            : new ProtoField(name, type, false, false);
    }

    private static string ReadTable()
    {
        const string Name = "Ambient.Node.Admin.Envoy.Json.envoy.messages";
        using var stream = typeof(ProtoSchema).Assembly.GetManifestResourceStream(Name) ?? throw new InvalidOperationException($"{Name} is not in this assembly");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
