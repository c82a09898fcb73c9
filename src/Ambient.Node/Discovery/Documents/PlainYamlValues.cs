namespace Ambient.Node.Discovery.Documents;

/// <summary>
/// The values that stand within one line: plain and quoted scalars without escapes, a local tag in front, lists and
/// objects in brackets.
/// </summary>
/// <param name="limits">What they may cost.</param>
internal sealed class PlainYamlValues(YamlLimits limits)
{
    private const int MostPooled = 64;

    // Names recur in every one of 100,000 entries. A slot per hash: what two texts fight for is merely made anew.
    private readonly string?[] _pool = new string?[4096];
    private long _nodes;
    private int _depth;

    /// <summary>Reads the value that begins at <paramref name="at"/> and ends with the line, save blanks and a comment.</summary>
    /// <exception cref="PlainYamlException">There is more to it.</exception>
    public YamlNode Read(ReadOnlySpan<char> line, int number, int at)
    {
        var start = at;
        var tag = Tag(line, ref at);
        switch (At(line, at))
        {
            case '"' or '\'':
                var quoted = Quoted(line, ref at);
                End(line, at);
                return Scalar(quoted, plain: false, tag, number, start);
            case '[' or '{':
                var node = Flow(line, number, ref at, tag, start);
                End(line, at);
                return node;
            default:
                return Scalar(Text(Plain(line[at..])), plain: true, tag, number, start);
        }
    }

    /// <summary>The key at <paramref name="at"/>, which a colon and a blank or the line's end follow; null when there is none. Moves behind the colon.</summary>
    public YamlScalar? Key(ReadOnlySpan<char> line, int number, ref int at)
    {
        var (start, end) = (at, at);
        var plain = line[at] is not ('"' or '\'');
        string text;
        if (plain)
        {
            var length = NameLength(line[at..]);
            end += length;
            text = Text(line.Slice(start, length));
        }
        else
        {
            text = Quoted(line, ref end);
        }

        if (end == start || end >= line.Length || line[end] != ':' || (end + 1 < line.Length && line[end + 1] != ' '))
        {
            return null;
        }

        at = end + 1;
        return Scalar(text, plain, null, number, start);
    }

    /// <summary>Whether a key stands at <paramref name="at"/>.</summary>
    public bool IsKey(ReadOnlySpan<char> line, int at)
    {
        var end = at;
        if (line[at] is '"' or '\'')
        {
            Quoted(line, ref end);
        }
        else
        {
            end += NameLength(line[at..]);
        }

        return end > at && At(line, end) == ':' && (end + 1 == line.Length || line[end + 1] == ' ');
    }

    /// <summary>Counts a level of nesting.</summary>
    public void Enter()
    {
        if (++_depth > limits.MaxDepth)
        {
            throw new PlainYamlException();
        }

        Count();
    }

    /// <summary>Ends a level of nesting.</summary>
    public void Leave() => _depth--;

    /// <summary>A scalar of the tree.</summary>
    public YamlScalar Scalar(string text, bool plain, string? tag, int number, int at)
    {
        Count();
        return new YamlScalar(text, plain, tag, number, at + 1);
    }

    /// <summary>Whether a mapping has a key already.</summary>
    public static bool Has(List<KeyValuePair<YamlScalar, YamlNode>> entries, string key)
    {
        // Names are pooled, so that most comparisons end with the lengths; many keys are left to the reader that hashes.
        if (entries.Count > 64)
        {
            throw new PlainYamlException();
        }

        foreach (var (known, _) in entries)
        {
            if (known.Value == key)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>How many blanks come first.</summary>
    public static int Blanks(ReadOnlySpan<char> text)
    {
        var blanks = text.IndexOfAnyExcept(' ');
        return blanks < 0 ? text.Length : blanks;
    }

    /// <summary>Whether nothing but blanks and a comment follows.</summary>
    public static bool IsEnd(ReadOnlySpan<char> line, int at)
    {
        var blanks = Blanks(line[at..]);
        return at + blanks == line.Length || (blanks > 0 && line[at + blanks] == '#');
    }

    /// <summary>A local tag and the blanks behind it, or null.</summary>
    private string? Tag(ReadOnlySpan<char> line, ref int at)
    {
        if (At(line, at) != '!')
        {
            return null;
        }

        var name = line[(at + 1)..];
        var length = 0;
        while (char.IsAsciiLetter(At(name, length)))
        {
            length++;
        }

        if (length == 0 || At(name, length) != ' ')
        {
            throw new PlainYamlException();
        }

        at += 1 + length;
        at += Blanks(line[at..]);
        return Text(name[..length]);
    }

    private YamlNode Flow(ReadOnlySpan<char> line, int number, ref int at, string? tag, int start)
    {
        var isList = line[at++] == '[';
        Enter();
        var items = isList ? new List<YamlNode>() : [];
        var entries = new List<KeyValuePair<YamlScalar, YamlNode>>();
        at += Blanks(line[at..]);
        var closing = isList ? ']' : '}';
        if (At(line, at) != closing)
        {
            while (true)
            {
                if (isList)
                {
                    items.Add(FlowValue(line, number, ref at));
                }
                else if (Key(line, number, ref at) is { } key && at < line.Length && !Has(entries, key.Value))
                {
                    at += Blanks(line[at..]);
                    entries.Add(new(key, FlowValue(line, number, ref at)));
                }
                else
                {
                    throw new PlainYamlException();
                }

                at += Blanks(line[at..]);
                if (At(line, at) == closing)
                {
                    break;
                }

                if (At(line, at) != ',' || At(line, at + 1) != ' ')
                {
                    throw new PlainYamlException();
                }

                at++;
                at += Blanks(line[at..]);
            }
        }

        at++;
        Leave();
        if (isList)
        {
            return new YamlSequence(items, tag, number, start + 1);
        }

        return tag is null ? new YamlMapping(entries, number, start + 1) : throw new PlainYamlException();
    }

    private YamlNode FlowValue(ReadOnlySpan<char> line, int number, ref int at)
    {
        var start = at;
        var tag = Tag(line, ref at);
        switch (At(line, at))
        {
            case '[' or '{':
                return Flow(line, number, ref at, tag, start);
            case '"' or '\'':
                return Scalar(Quoted(line, ref at), plain: false, tag, number, start);
            default:
                var length = NameLength(line[at..]);
                var text = line.Slice(at, length);
                at += length;
                return length > 0 ? Scalar(Text(text), plain: true, tag, number, start) : throw new PlainYamlException();
        }
    }

    /// <summary>Length of a word that means the same wherever it stands: letters, digits and what names and paths are made of.</summary>
    private static int NameLength(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty || !(char.IsAsciiLetterOrDigit(text[0]) || text[0] is '_' or '/'))
        {
            return 0;
        }

        for (var i = 1; i < text.Length; i++)
        {
            if (!(char.IsAsciiLetterOrDigit(text[i]) || text[i] is '_' or '/' or '.' or '-'))
            {
                return i;
            }
        }

        return text.Length;
    }

    private static ReadOnlySpan<char> Plain(ReadOnlySpan<char> text)
    {
        var first = At(text, 0);
        if (!(char.IsLetterOrDigit(first) || first is '_' or '/' or '.' or '~' or '+'
            || (first == '-' && char.IsAsciiLetterOrDigit(At(text, 1)))))
        {
            throw new PlainYamlException();
        }

        var comment = text.IndexOf(" #");
        text = (comment < 0 ? text : text[..comment]).TrimEnd(' ');
        for (var at = 0; text[at..].IndexOf(':') is >= 0 and var colon; at += colon + 1)
        {
            if (at + colon + 1 == text.Length || text[at + colon + 1] == ' ')
            {
                throw new PlainYamlException();
            }
        }

        return text;
    }

    private string Quoted(ReadOnlySpan<char> line, ref int at)
    {
        var rest = line[(at + 1)..];
        var length = rest.IndexOfAny(line[at], '\\');
        if (length < 0 || rest[length] == '\\' || (rest[length] == '\'' && At(rest, length + 1) == '\''))
        {
            throw new PlainYamlException();
        }

        at += length + 2;
        return Text(rest[..length]);
    }

    private static void End(ReadOnlySpan<char> line, int at)
    {
        if (!IsEnd(line, at))
        {
            throw new PlainYamlException();
        }
    }

    private static char At(ReadOnlySpan<char> line, int at) => at < line.Length ? line[at] : '\0';

    private void Count()
    {
        if (++_nodes > limits.MaxNodes)
        {
            throw new PlainYamlException();
        }
    }

    private string Text(ReadOnlySpan<char> text)
    {
        if (text.Length is 0 or > MostPooled)
        {
            return text.ToString();
        }

        var hash = (uint)text.Length;
        foreach (var c in text)
        {
            hash = (hash * 31) + c;
        }

        ref var slot = ref _pool[(hash ^ (hash >> 15)) & (uint)(_pool.Length - 1)];
        return slot is not null && text.SequenceEqual(slot) ? slot : slot = text.ToString();
    }
}
