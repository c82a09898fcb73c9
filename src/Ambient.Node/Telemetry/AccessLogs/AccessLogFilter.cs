using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Ambient.Mesh;

namespace Ambient.Node.Telemetry.AccessLogs;

/// <summary>
/// Which requests are logged: the simple forms of Telemetry's CEL expressions. Comparisons of one attribute with a value, joined by <c>&amp;&amp;</c>,
/// <c>||</c>, <c>!</c> and brackets; anything else is not supported, and said so when it is read.
/// </summary>
internal sealed class AccessLogFilter
{
    private const int MaxDepth = 32;

    // Each asks the ones before it first, one within the other.
    private const int MaxComparisons = 256;

    private readonly Node _root;

    private AccessLogFilter(Node root) => _root = root;

    private delegate bool Node(in AccessLogEntry entry);

    /// <summary>Compiles an expression.</summary>
    /// <exception cref="FormatException">It is not one of the forms that are supported; the message says where.</exception>
    public static AccessLogFilter Of(string expression)
    {
        var parser = new Parser(expression);
        return new AccessLogFilter(parser.Whole());
    }

    /// <summary>What several conditions say together; null where there are none. An expression that is not supported is left out.</summary>
    public static AccessLogFilter? Of(ImmutableArray<AccessLogCondition> conditions)
    {
        Node[] all = [.. conditions.Select(NodeOf).OfType<Node>()];
        return all switch
        {
            [] => null,
            [var only] => new AccessLogFilter(only),
            _ => new AccessLogFilter((in entry) => HaveAll(all, entry)),
        };
    }

    /// <summary>Whether a request is logged.</summary>
    public bool Takes(in AccessLogEntry entry) => _root(entry);

    private static bool HaveAll(Node[] all, in AccessLogEntry entry)
    {
        foreach (var node in all)
        {
            if (!node(entry))
            {
                return false;
            }
        }

        return true;
    }

    private static Node? NodeOf(AccessLogCondition condition)
    {
        if (condition.Expression is { } expression)
        {
            try
            {
                return new Parser(expression).Whole();
            }
            catch (FormatException)
            {
                return null;
            }
        }

        if (condition is { LowestStatus: not null } or { HighestStatus: not null } or { OtherThanStatus: not null })
        {
            var (lowest, highest, other) = (condition.LowestStatus ?? 0, condition.HighestStatus ?? int.MaxValue, condition.OtherThanStatus);
            return (in entry) => entry.Code >= lowest && entry.Code <= highest && entry.Code != other;
        }

        // Without any it asks for one at all.
        string[] flags = [.. condition.Flags];
        return (in entry) => flags.Length == 0 ? entry.Flags != "-" : HasOne(entry.Flags, flags);
    }

    private static bool HasOne(string flags, string[] wanted)
    {
        foreach (var range in flags.AsSpan().Split(','))
        {
            foreach (var flag in wanted)
            {
                if (flags.AsSpan()[range].SequenceEqual(flag))
                {
                    return true;
                }
            }
        }

        return false;
    }

    private sealed class Parser(string text)
    {
        private int _at;
        private int _depth;
        private int _comparisons;

        public Node Whole()
        {
            var node = Either();
            Skip();
            return _at == text.Length ? node : throw Unexpected();
        }

        private Node Either()
        {
            if (++_depth > MaxDepth)
            {
                throw new FormatException($"more than {MaxDepth} brackets in one another");
            }

            var left = Both();
            while (Take("||"))
            {
                var (first, second) = (left, Both());
                left = (in entry) => first(entry) || second(entry);
            }

            _depth--;
            return left;
        }

        private Node Both()
        {
            var left = Not();
            while (Take("&&"))
            {
                var (first, second) = (left, Not());
                left = (in entry) => first(entry) && second(entry);
            }

            return left;
        }

        private Node Not()
        {
            if (++_comparisons > MaxComparisons)
            {
                throw new FormatException($"more than {MaxComparisons} comparisons");
            }

            Skip();
            if (At("!") && !At("!="))
            {
                _at++;
                if (++_depth > MaxDepth)
                {
                    throw new FormatException($"more than {MaxDepth} negations in one another");
                }

                var negated = Not();
                _depth--;
                return (in entry) => !negated(entry);
            }

            if (Take("("))
            {
                var inner = Either();
                Expect(")");
                return inner;
            }

            if (Take("true"))
            {
                return static (in _) => true;
            }

            return Take("false") ? static (in _) => false : Take("has(") ? Has() : Comparison();
        }

        private Node Has()
        {
            var (name, key) = Attribute();
            Expect(")");
            if (AccessLogAttributes.TextOf(name, key) is { } value)
            {
                return (in entry) => value(entry) is not null;
            }

            return AccessLogAttributes.NumberOf(name) is { } number ? (in entry) => number(entry) is not null : throw NoAttribute(name);
        }

        private Node Comparison()
        {
            var (name, key) = Attribute();
            if (AccessLogAttributes.TruthOf(name) is { } truth && key is null)
            {
                return Compare(truth);
            }

            if (AccessLogAttributes.NumberOf(name) is { } number)
            {
                return Compare(number);
            }

            var value = AccessLogAttributes.TextOf(name, key) ?? throw NoAttribute(name);
            foreach (var method in (ReadOnlySpan<string>)["startsWith", "endsWith", "contains"])
            {
                if (Take($".{method}("))
                {
                    var part = Literal();
                    Expect(")");
                    return method switch
                    {
                        "startsWith" => (in entry) => value(entry)?.StartsWith(part, StringComparison.Ordinal) == true,
                        "endsWith" => (in entry) => value(entry)?.EndsWith(part, StringComparison.Ordinal) == true,
                        _ => (in entry) => value(entry)?.Contains(part, StringComparison.Ordinal) == true,
                    };
                }
            }

            var equal = Take("==") || (Take("!=") ? false : throw Unexpected());
            var expected = Literal();
            return (in entry) => (value(entry) == expected) == equal;
        }

        private Node Compare(AccessLogAttributes.Truth truth)
        {
            var comparison = Take("==") ? true : Take("!=") ? false : (bool?)null;
            if (comparison is not { } equal)
            {
                return (in entry) => truth(entry);
            }

            var expected = Take("true") || (Take("false") ? false : throw Unexpected());
            return (in entry) => (truth(entry) == expected) == equal;
        }

        // As in CEL, a comparison with what is missing is an error, and a request that it fails for is not logged.
        private Node Compare(AccessLogAttributes.Number number)
        {
            var comparison = Take("==") ? 0 : Take("!=") ? 1 : Take(">=") ? 2 : Take("<=") ? 3 : Take(">") ? 4 : Take("<") ? 5 : throw Unexpected();
            Skip();
            var begin = _at;
            while (_at < text.Length && (char.IsAsciiDigit(text[_at]) || text[_at] is '.' or '-'))
            {
                _at++;
            }

            if (!double.TryParse(text.AsSpan(begin, _at - begin), NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var expected))
            {
                _at = begin;
                throw Unexpected();
            }

            return comparison switch
            {
                0 => (in entry) => number(entry) == expected,
                1 => (in entry) => number(entry) is { } value && value != expected,
                2 => (in entry) => number(entry) >= expected,
                3 => (in entry) => number(entry) <= expected,
                4 => (in entry) => number(entry) > expected,
                _ => (in entry) => number(entry) < expected,
            };
        }

        private (string Name, string? Key) Attribute()
        {
            Skip();
            var begin = _at;
            while (_at < text.Length && (char.IsAsciiLetterOrDigit(text[_at]) || text[_at] is '.' or '_'))
            {
                _at++;
            }

            // A method's name is not the attribute's.
            var name = text[begin.._at];
            if (_at < text.Length && text[_at] == '(' && name.LastIndexOf('.') is > 0 and var dot)
            {
                _at = begin + dot;
                name = name[..dot];
            }

            if (!At("["))
            {
                return name.Length > 0 ? (name, null) : throw Unexpected();
            }

            _at++;
            var key = Literal();
            Expect("]");
            return (name, key);
        }

        private string Literal()
        {
            Skip();
            if (_at >= text.Length || text[_at] is not ('\'' or '"'))
            {
                throw Unexpected();
            }

            var quote = text[_at++];
            var value = new StringBuilder();
            while (_at < text.Length && text[_at] != quote)
            {
                if (text[_at] == '\\' && ++_at >= text.Length)
                {
                    break;
                }

                value.Append(text[_at++]);
            }

            if (_at >= text.Length)
            {
                throw new FormatException("a text in quotes does not end");
            }

            _at++;
            return value.ToString();
        }

        private void Skip()
        {
            while (_at < text.Length && char.IsWhiteSpace(text[_at]))
            {
                _at++;
            }
        }

        private bool At(string word) => text.AsSpan(_at).StartsWith(word, StringComparison.Ordinal);

        private bool Take(string word)
        {
            Skip();
            if (!At(word))
            {
                return false;
            }

            _at += word.Length;
            return true;
        }

        private void Expect(string word)
        {
            if (!Take(word))
            {
                throw Unexpected();
            }
        }

        private FormatException Unexpected() => new(
            _at >= text.Length ? "it ends too early" : $"\"{text[_at..Math.Min(text.Length, _at + 24)]}\" is not supported here; expected comparisons such as response.code >= 400, joined by &&, || and !");

        private static FormatException NoAttribute(string name) => new($"\"{name}\" is not an attribute that is supported");
    }
}
