using System.Text;
using System.Text.Json;

namespace Ambient.Node.Discovery.Documents;

/// <summary>
/// Reads JSON into the same nodes as YAML, with the same limits. JSON has rules of its own that a YAML reader does not
/// know: surrogate escapes, a stream of values without separators, keys of any length.
/// </summary>
internal static class JsonDocuments
{
    /// <summary>Whether a text is JSON rather than YAML: its first character that is not blank opens an object or a list.</summary>
    public static bool IsJson(ReadOnlySpan<byte> text)
    {
        var start = text.IndexOfAnyExcept(" \t\r\n"u8);
        return start >= 0 && text[start] is (byte)'{' or (byte)'[';
    }

    /// <summary>Reads the values of a text one after the other.</summary>
    /// <param name="text">UTF-8 without byte order mark.</param>
    /// <param name="limits">What it may cost.</param>
    /// <exception cref="YamlReadException">The text is not JSON, or exceeds a limit.</exception>
    public static IEnumerable<YamlNode> Read(byte[] text, YamlLimits limits)
    {
        var lines = new LineCounter(text);
        var nodes = 0;
        var offset = 0;
        var state = new JsonReaderState(new JsonReaderOptions { MaxDepth = limits.MaxDepth, AllowMultipleValues = true });
        for (var documents = 1; ReadOne(text, ref offset, ref state, limits, lines, ref nodes) is { } node; documents++)
        {
            if (documents > limits.MaxDocuments)
            {
                throw new YamlReadException(node.Line, node.Column, $"more than {limits.MaxDocuments} documents in one file");
            }

            yield return node;
        }
    }

    private static YamlNode? ReadOne(byte[] text, ref int offset, ref JsonReaderState state, YamlLimits limits, LineCounter lines, ref int nodes)
    {
        var json = new Utf8JsonReader(text.AsSpan(offset), isFinalBlock: true, state);
        try
        {
            if (!json.Read())
            {
                return null;
            }

            var node = ReadNode(ref json, offset, limits, lines, ref nodes);
            offset += (int)json.BytesConsumed;
            state = json.CurrentState;
            return node;
        }
        catch (JsonException e)
        {
            var (line, column) = lines.At(offset + (int)json.BytesConsumed);
            throw new YamlReadException(line, column, $"not valid JSON: {WithoutPlace(e.Message)}");
        }
        catch (InvalidOperationException)
        {
            // An escape that is half of a surrogate pair, or bytes that are not UTF-8.
            var (line, column) = lines.At(offset + (int)json.TokenStartIndex);
            throw new YamlReadException(line, column, "not valid JSON: the string is not valid Unicode");
        }
    }

    private static YamlNode ReadNode(ref Utf8JsonReader json, int offset, YamlLimits limits, LineCounter lines, ref int nodes)
    {
        var (line, column) = lines.At(offset + (int)json.TokenStartIndex);
        if (++nodes > limits.MaxNodes)
        {
            throw new YamlReadException(line, column, $"more than {limits.MaxNodes} values in one file");
        }

        switch (json.TokenType)
        {
            case JsonTokenType.StartObject:
                var entries = new YamlEntries();
                while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
                {
                    var (keyLine, keyColumn) = lines.At(offset + (int)json.TokenStartIndex);
                    var key = new YamlScalar(json.GetString()!, plain: false, tag: null, keyLine, keyColumn);
                    json.Read();
                    entries.Add(key, ReadNode(ref json, offset, limits, lines, ref nodes));
                }

                return entries.Build(line, column);
            case JsonTokenType.StartArray:
                var items = new List<YamlNode>();
                while (json.Read() && json.TokenType != JsonTokenType.EndArray)
                {
                    items.Add(ReadNode(ref json, offset, limits, lines, ref nodes));
                }

                return new YamlSequence(items, tag: null, line, column);
            case JsonTokenType.String:
                return new YamlScalar(json.GetString()!, plain: false, tag: null, line, column);
            default:
                return new YamlScalar(Encoding.UTF8.GetString(json.ValueSpan), plain: true, tag: null, line, column);
        }
    }

    private static string WithoutPlace(string message)
    {
        // The place is ours to say: the reader's own counts from 0 and in bytes.
        var end = message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        return end < 0 ? message : message[..end];
    }

    /// <summary>Lines and columns of offsets that only grow.</summary>
    private sealed class LineCounter(byte[] text)
    {
        private int _offset;
        private int _line = 1;
        private int _lineStart;

        public (int Line, int Column) At(int offset)
        {
            offset = Math.Min(offset, text.Length);
            for (; _offset < offset; _offset++)
            {
                if (text[_offset] == '\n')
                {
                    _line++;
                    _lineStart = _offset + 1;
                }
            }

            return (_line, Math.Max(1, offset - _lineStart + 1));
        }
    }
}
