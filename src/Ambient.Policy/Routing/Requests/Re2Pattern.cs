using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Ambient.Policy.Routing.Requests;

/// <summary>
/// Regular expressions of RE2 as .NET writes them. What is written alike and means something else is rewritten: classes of characters are of ASCII alone,
/// <c>[[:alpha:]]</c> is a class, <c>$</c> is the very end. What only one of the two knows is refused.
/// </summary>
internal static class Re2Pattern
{
    private const string Digits = "0-9";
    private const string WordLetters = "0-9A-Za-z_";
    private const string Spaces = @"\t\n\f\r ";

    // Escapes that .NET has and RE2 has not, or that mean something else there; word boundaries are of ASCII in RE2.
    private static readonly SearchValues<char> s_refused = SearchValues.Create("bBcCeEGkKQuUXZ0123456789");
    private static readonly SearchValues<char> s_flags = SearchValues.Create("ims-");

    private static readonly Dictionary<string, string> s_classes = new(StringComparer.Ordinal)
    {
        ["alnum"] = "0-9A-Za-z",
        ["alpha"] = "A-Za-z",
        ["ascii"] = @"\x00-\x7F",
        ["blank"] = @"\t ",
        ["cntrl"] = @"\x00-\x1F\x7F",
        ["digit"] = Digits,
        ["graph"] = @"\x21-\x7E",
        ["lower"] = "a-z",
        ["print"] = @"\x20-\x7E",
        ["punct"] = @"\x21-\x2F\x3A-\x40\x5B-\x60\x7B-\x7E",
        ["space"] = @"\t\n\v\f\r ",
        ["upper"] = "A-Z",
        ["word"] = WordLetters,
        ["xdigit"] = "0-9A-Fa-f",
    };

    /// <summary>Translates an expression; false: it means something else here, or nothing.</summary>
    internal static bool TryTranslate(string pattern, [NotNullWhen(true)] out string? translated)
    {
        translated = null;
        var written = new StringBuilder(pattern.Length + 16);
        for (var at = 0; at < pattern.Length;)
        {
            var rest = pattern.AsSpan(at);
            var read = rest[0] switch
            {
                '\\' => Escape(rest, written, inClass: false),
                '[' => Class(rest, written),
                '(' => Group(rest, written),
                '$' => Put(written, @"\z", 1),
                _ => Put(written, rest[..1], 1),
            };
            if (read == 0)
            {
                return false;
            }

            at += read;
        }

        translated = written.ToString();
        return true;
    }

    private static int Put(StringBuilder written, ReadOnlySpan<char> text, int read)
    {
        written.Append(text);
        return read;
    }

    /// <summary>Writes an escape; returns how much of the text it is, 0: it is refused.</summary>
    private static int Escape(ReadOnlySpan<char> text, StringBuilder written, bool inClass)
    {
        if (text.Length < 2 || s_refused.Contains(text[1]))
        {
            return 0;
        }

        var (letters, isNegated) = text[1] switch
        {
            'd' => (Digits, false),
            'D' => (Digits, true),
            'w' => (WordLetters, false),
            'W' => (WordLetters, true),
            's' => (Spaces, false),
            'S' => (Spaces, true),
            _ => (null, false),
        };
        return letters is null ? Put(written, text[..2], 2)
            : !inClass ? Put(written, $"[{(isNegated ? "^" : "")}{letters}]", 2)
            : isNegated ? 0
            : Put(written, letters, 2);
    }

    private static int Group(ReadOnlySpan<char> text, StringBuilder written)
    {
        if (text is not ['(', '?', ..])
        {
            return Put(written, text[..1], 1);
        }

        if (text.StartsWith("(?P<"))
        {
            return Put(written, "(?<", 4);
        }

        if (text.StartsWith("(?<"))
        {
            return Put(written, text[..3], 3);
        }

        // With m a line would end elsewhere, too; nothing that is compared has lines.
        var end = text[2..].IndexOfAnyExcept(s_flags) + 2;
        return end >= 2 && text[end] is ':' or ')' && !text[2..end].Contains('m') ? Put(written, text[..(end + 1)], end + 1) : 0;
    }

    private static int Class(ReadOnlySpan<char> text, StringBuilder written)
    {
        var at = Put(written, text[..1], 1);
        if (at < text.Length && text[at] == '^')
        {
            at += Put(written, "^", 1);
        }

        for (var isFirst = true; at < text.Length; isFirst = false)
        {
            var rest = text[at..];
            if (rest[0] == ']' && !isFirst)
            {
                return at + Put(written, "]", 1);
            }

            var read = rest[0] switch
            {
                '\\' => Escape(rest, written, inClass: true),
                '[' when rest.StartsWith("[:") => Named(rest, written),
                '[' => Put(written, @"\[", 1),
                ']' => Put(written, @"\]", 1),
                _ => Put(written, rest[..1], 1),
            };
            if (read == 0)
            {
                return 0;
            }

            at += read;
        }

        return 0;
    }

    private static int Named(ReadOnlySpan<char> text, StringBuilder written)
    {
        var end = text.IndexOf(":]");
        return end > 2 && s_classes.TryGetValue(text[2..end].ToString(), out var letters) ? Put(written, letters, end + 2) : 0;
    }
}
