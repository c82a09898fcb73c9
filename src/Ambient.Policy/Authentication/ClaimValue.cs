using System.Collections.Immutable;
using System.Text;
using System.Text.Json;

namespace Ambient.Policy.Authentication;

/// <summary>
/// A value of a token's JSON, read once, so that a condition costs a look-up. Text is what conditions compare; of anything else only
/// what claims are copied into headers is kept.
/// </summary>
internal sealed class ClaimValue
{
    /// <summary>How deep objects and lists may lie in one another.</summary>
    internal const int MaxDepth = 32;

    private static readonly ImmutableDictionary<string, ClaimValue> s_nothing = ImmutableDictionary<string, ClaimValue>.Empty;

    private ClaimValue(JsonTokenType type) => Type = type;

    /// <summary><see cref="JsonTokenType.StartObject"/>, <see cref="JsonTokenType.StartArray"/>, or that of a plain value.</summary>
    internal JsonTokenType Type { get; }

    /// <summary>The text; null where it is none.</summary>
    internal string? Text { get; private init; }

    /// <summary>The number; 0 where it is none.</summary>
    internal double Number { get; private init; }

    /// <summary>The texts that a condition is compared with: of a text itself, of a list those of its members that are texts.</summary>
    internal ImmutableArray<string> Texts { get; private init; } = [];

    /// <summary>How many members a list has, texts or not.</summary>
    internal int Count { get; private init; }

    /// <summary>Members of an object.</summary>
    internal IReadOnlyDictionary<string, ClaimValue> Members { get; private init; } = s_nothing;

    /// <summary>The JSON of a list or object without blanks; null of plain values.</summary>
    internal byte[]? Json { get; private init; }

    /// <summary>Reads an object. Null: it is not JSON, not an object, too deep, has a name twice, or text that is no Unicode.</summary>
    internal static ClaimValue? TryReadObject(ReadOnlySpan<byte> json)
    {
        try
        {
            var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MaxDepth });
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            {
                return null;
            }

            var read = Read(ref reader, json);

            // Whatever follows is an error; to read on finds it.
            return read is not null && !reader.Read() ? read : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            return null;
        }
    }

    /// <summary>A copy of a list that stands where a text with blanks stood.</summary>
    internal static ImmutableArray<string> Split(string text) => [.. text.Split(' ', StringSplitOptions.RemoveEmptyEntries)];

    /// <summary>The value as a header has it: text and truth as they are, numbers as Envoy writes them, lists and objects as base64 of their JSON. Null: nothing.</summary>
    internal string? ToHeader() => Type switch
    {
        JsonTokenType.String => Text!.Length == 0 ? null : Utf8AsLatin1(Text),
        JsonTokenType.Number => NumberText(Number),
        JsonTokenType.True => "true",
        JsonTokenType.False => "false",
        JsonTokenType.StartObject or JsonTokenType.StartArray => Convert.ToBase64String(Json!),
        _ => null,
    };

    private static ClaimValue? Read(ref Utf8JsonReader reader, ReadOnlySpan<byte> json)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.String:
                var text = reader.GetString()!;
                return new ClaimValue(JsonTokenType.String) { Text = text, Texts = [text] };
            case JsonTokenType.Number:
                return new ClaimValue(JsonTokenType.Number) { Number = reader.GetDouble() };
            case JsonTokenType.StartArray:
                return ReadList(ref reader, json);
            case JsonTokenType.StartObject:
                return ReadMembers(ref reader, json);
            default:
                return new ClaimValue(reader.TokenType);
        }
    }

    private static ClaimValue? ReadList(ref Utf8JsonReader reader, ReadOnlySpan<byte> json)
    {
        var start = (int)reader.TokenStartIndex;
        var texts = ImmutableArray.CreateBuilder<string>();
        var count = 0;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (Read(ref reader, json) is not { } member)
            {
                return null;
            }

            count++;
            if (member.Text is { } text)
            {
                texts.Add(text);
            }
        }

        return new ClaimValue(JsonTokenType.StartArray) { Texts = texts.DrainToImmutable(), Count = count, Json = Compact(json[start..(int)reader.BytesConsumed]) };
    }

    private static ClaimValue? ReadMembers(ref Utf8JsonReader reader, ReadOnlySpan<byte> json)
    {
        var start = (int)reader.TokenStartIndex;
        var members = new Dictionary<string, ClaimValue>(StringComparer.Ordinal);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            var name = reader.GetString()!;
            reader.Read();

            // Of two members of one name each reader takes another (RFC 8725 section 2.4 says what comes of that).
            if (Read(ref reader, json) is not { } member || !members.TryAdd(name, member))
            {
                return null;
            }
        }

        // A whole payload is not copied into a header this way: its JSON is not kept twice.
        return new ClaimValue(JsonTokenType.StartObject) { Members = members, Json = start == 0 ? null : Compact(json[start..(int)reader.BytesConsumed]) };
    }

    private static byte[] Compact(ReadOnlySpan<byte> json)
    {
        var compact = new byte[json.Length];
        var (written, quoted) = (0, false);
        for (var i = 0; i < json.Length; i++)
        {
            var c = json[i];
            if (!quoted && c is (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n')
            {
                continue;
            }

            if (quoted && c == (byte)'\\')
            {
                compact[written++] = c;
                c = json[++i];
            }
            else if (c == (byte)'"')
            {
                quoted = !quoted;
            }

            compact[written++] = c;
        }

        return written == json.Length ? compact : compact[..written];
    }

    private static string NumberText(double number) => number >= 0 && number < ulong.MaxValue && double.IsInteger(number)
        ? ((ulong)number).ToString(System.Globalization.CultureInfo.InvariantCulture)
        : number.ToString("F6", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Headers are bytes, and their text is Latin-1: what is beyond ASCII goes as UTF-8.</summary>
    private static string Utf8AsLatin1(string text) => Ascii.IsValid(text) ? text : Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(text));
}
