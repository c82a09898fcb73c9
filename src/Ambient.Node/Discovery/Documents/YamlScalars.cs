using System.Globalization;
using System.Text;

namespace Ambient.Node.Discovery.Documents;

/// <summary>Reads the text of scalars: plain, quoted, and block scalars (YAML 1.2, chapters 7.3 and 8.1).</summary>
internal sealed class YamlScalars(YamlSource source)
{
    private readonly StringBuilder _text = new();

    /// <summary>Up to where a quoted text holds what no folding takes away: blanks that were written as escapes.</summary>
    private int _escaped;

    /// <summary>Whether a plain scalar can begin here.</summary>
    public bool IsPlainStart(bool flow) => source.Current switch
    {
        '-' => !YamlSource.IsBlankOrBreak(source.Peek(1)),
        '?' => !YamlSource.IsBlankOrBreak(source.Peek(1)),
        ':' => !YamlSource.IsBlankOrBreak(source.Peek(1)) && !(flow && YamlSource.IsFlowIndicator(source.Peek(1))),
        ',' or '[' or ']' or '{' or '}' or '#' or '&' or '*' or '!' or '|' or '>' or '\'' or '"' or '%' or '@' or '`' => false,
        var c => !YamlSource.IsBlankOrBreak(c),
    };

    /// <summary>Reads a plain scalar.</summary>
    /// <param name="indent">Column that further lines must stand beyond.</param>
    /// <param name="flow">Whether it is part of a flow collection, where indentation says nothing.</param>
    /// <param name="oneLine">Whether it ends with its line, as a key does.</param>
    public string ReadPlain(int indent, bool flow, bool oneLine)
    {
        _text.Clear();
        var first = true;
        while (true)
        {
            ReadPlainLine(flow);
            if (!first && !flow && source.Current == ':')
            {
                throw Error("a key is not allowed here; text over several lines needs quotes when it holds a colon and a blank");
            }

            if (oneLine || !YamlSource.IsBreak(source.Current))
            {
                return _text.ToString();
            }

            // A further line belongs to the text when it is indented and neither a comment nor the end.
            var breaks = 0;
            while (YamlSource.IsBreak(source.Current))
            {
                source.AdvanceLine();
                breaks++;
                source.SkipBlanks();
            }

            if (source.AtEnd || source.Current == '#' || AtMarker() || (!flow && source.Column <= indent)
                || (flow && (YamlSource.IsFlowIndicator(source.Current) || IsPlainEnd(flow))))
            {
                return _text.ToString();
            }

            Fold(breaks);
            first = false;
        }
    }

    /// <summary>Reads a quoted scalar, its opening quote being the current character.</summary>
    public string ReadQuoted()
    {
        var quote = source.Current;
        var (line, column) = (source.Line, source.Column);
        source.Advance();
        _text.Clear();
        _escaped = 0;
        while (true)
        {
            var c = source.Current;
            if (source.AtEnd || AtMarker())
            {
                throw new YamlReadException(line, column + 1, "the quote is not closed");
            }

            if (YamlSource.IsBreak(c))
            {
                FoldQuoted(joined: false);
            }
            else if (c == quote)
            {
                source.Advance();
                if (quote == '"' || source.Current != quote)
                {
                    return _text.ToString();
                }

                _text.Append('\'');
                source.Advance();
            }
            else if (c == '\\' && quote == '"')
            {
                source.Advance();
                if (YamlSource.IsBreak(source.Current))
                {
                    FoldQuoted(joined: true);
                }
                else
                {
                    ReadEscape();
                }
            }
            else
            {
                _text.Append(c);
                source.Advance();
            }
        }
    }

    /// <summary>Reads a block scalar, its indicator being the current character.</summary>
    /// <param name="parent">Column of what holds it; its lines stand beyond.</param>
    public string ReadBlock(int parent)
    {
        var folded = source.Current == '>';
        source.Advance();
        var chomp = ' ';
        var indent = -1;
        while (source.Current is '+' or '-' or (>= '1' and <= '9'))
        {
            if (source.Current is '+' or '-')
            {
                chomp = source.Current;
            }
            else
            {
                indent = Math.Max(parent, 0) + (source.Current - '0');
            }

            source.Advance();
        }

        source.SkipBlanks();
        if (source.Current == '#')
        {
            source.SkipLine();
        }

        if (!YamlSource.IsBreak(source.Current) && !source.AtEnd)
        {
            throw Error($"a block scalar begins on the next line; found '{source.Current}'");
        }

        _text.Clear();
        if (!source.AtEnd)
        {
            source.AdvanceLine();
        }

        return ReadBlockLines(parent, indent, folded, chomp);
    }

    private string ReadBlockLines(int parent, int indent, bool folded, char chomp)
    {
        var trailing = SkipBlankLines(parent, indent);
        if (indent < 0)
        {
            // Blank lines may be longer than the first line with text: they say nothing about indentation.
            indent = Math.Max(source.Column, parent + 1);
        }

        var leading = "";
        var afterIndented = false;
        while (source.Column == indent && !source.AtEnd && !(indent == 0 && AtMarker()))
        {
            var indented = YamlSource.IsBlank(source.Current);
            if (folded && leading.Length > 0 && !afterIndented && !indented)
            {
                _text.Append(trailing == 0 ? " " : "");
            }
            else
            {
                _text.Append(leading);
            }

            _text.Append('\n', trailing);
            afterIndented = indented;
            while (!YamlSource.IsBreak(source.Current) && !source.AtEnd)
            {
                _text.Append(source.Current);
                source.Advance();
            }

            leading = source.AtEnd ? "" : "\n";
            if (!source.AtEnd)
            {
                source.AdvanceLine();
            }

            trailing = SkipBlankLines(parent, indent);
        }

        if (chomp != '-')
        {
            _text.Append(leading);
        }

        if (chomp == '+')
        {
            _text.Append('\n', trailing);
        }

        return _text.ToString();
    }

    /// <summary>
    /// Goes over lines of a block scalar that hold nothing, and over the indentation of the next one; how many they were.
    /// </summary>
    private int SkipBlankLines(int parent, int indent)
    {
        for (var lines = 0; ; lines++)
        {
            // With the indentation known, blanks beyond it are text. Without, a line of spaces is as good as empty, and a
            // tab is text where a line of text may begin.
            var blanks = 0;
            while (source.Peek(blanks) == ' ' && (indent < 0 || blanks < indent))
            {
                blanks++;
            }

            var end = blanks;
            while ((indent < 0 ? blanks <= parent : blanks < indent) && YamlSource.IsBlank(source.Peek(end)))
            {
                end++;
            }

            if (!YamlSource.IsBreak(source.Peek(end)))
            {
                source.Advance(blanks);
                return lines;
            }

            source.Advance(end);
            source.AdvanceLine();
        }
    }

    private bool IsPlainEnd(bool flow)
    {
        var c = source.Current;
        return c switch
        {
            '\n' or '\r' => true,
            YamlSource.End => source.AtEnd,
            ':' => YamlSource.IsBlankOrBreak(source.Peek(1)) || (flow && YamlSource.IsFlowIndicator(source.Peek(1))),
            ',' or '[' or ']' or '{' or '}' => flow,
            _ => false,
        };
    }

    /// <summary>Reads what one line has of a plain scalar, and goes over the blanks behind it.</summary>
    private void ReadPlainLine(bool flow)
    {
        while (!IsPlainEnd(flow))
        {
            if (!YamlSource.IsBlank(source.Current))
            {
                _text.Append(source.Current);
                source.Advance();
                continue;
            }

            // Blanks are part of the text when more of it follows.
            var blanks = 1;
            while (YamlSource.IsBlank(source.Peek(blanks)))
            {
                blanks++;
            }

            var next = source.Peek(blanks);
            var isText = next != '#' && !YamlSource.IsBlankOrBreak(next) && !(flow && YamlSource.IsFlowIndicator(next))
                && !(next == ':' && (YamlSource.IsBlankOrBreak(source.Peek(blanks + 1)) || (flow && YamlSource.IsFlowIndicator(source.Peek(blanks + 1)))));
            for (var i = 0; i < blanks; i++)
            {
                if (isText)
                {
                    _text.Append(source.Current);
                }

                source.Advance();
            }

            if (!isText)
            {
                return;
            }
        }
    }

    private void Fold(int breaks)
    {
        if (breaks == 1)
        {
            _text.Append(' ');
        }
        else
        {
            _text.Append('\n', breaks - 1);
        }
    }

    private void FoldQuoted(bool joined)
    {
        if (!joined)
        {
            // Blanks before the end of a line are layout.
            while (_text.Length > _escaped && YamlSource.IsBlank(_text[^1]))
            {
                _text.Length--;
            }
        }

        var breaks = 0;
        while (YamlSource.IsBreak(source.Current))
        {
            source.AdvanceLine();
            breaks++;
            if (AtMarker())
            {
                return;
            }

            source.SkipBlanks();
        }

        if (joined)
        {
            _text.Append('\n', breaks - 1);
        }
        else
        {
            Fold(breaks);
        }

        _escaped = _text.Length;
    }

    private void ReadEscape()
    {
        var c = source.Current;
        source.Advance();
        var plain = c switch
        {
            '0' => "\0", 'a' => "\a", 'b' => "\b", 't' or '\t' => "\t", 'n' => "\n", 'v' => "\v", 'f' => "\f", 'r' => "\r", 'e' => "\e",
            ' ' => " ", '"' => "\"", '/' => "/", '\\' => "\\", 'N' => "\u0085", '_' => "\u00a0", 'L' => "\u2028", 'P' => "\u2029",
            'x' => ReadCode(2), 'u' => ReadCode(4), 'U' => ReadCode(8),
            _ => throw Error($"'\\{c}' is not a known escape; in single quotes a backslash stands for itself"),
        };
        _text.Append(plain);
        _escaped = _text.Length;
    }

    private string ReadCode(int digits)
    {
        var code = ReadHex(digits);
        if (code is >= 0xD800 and <= 0xDBFF && source.Current == '\\' && source.Peek(1) == 'u')
        {
            source.Advance(2);
            var low = ReadHex(4);
            if (low is >= 0xDC00 and <= 0xDFFF)
            {
                return char.ConvertFromUtf32(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00));
            }
        }

        return code is >= 0 and <= 0x10FFFF and not (>= 0xD800 and <= 0xDFFF)
            ? char.ConvertFromUtf32(code)
            : throw Error("the escape does not name a Unicode character");
    }

    private int ReadHex(int digits)
    {
        Span<char> hex = stackalloc char[digits];
        for (var i = 0; i < digits; i++)
        {
            hex[i] = source.Peek(i);
        }

        if (!uint.TryParse(hex, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code) || code > int.MaxValue)
        {
            throw Error($"expected {digits} hexadecimal digits");
        }

        source.Advance(digits);
        return (int)code;
    }

    private bool AtMarker() => source.AtMarker('-') || source.AtMarker('.');

    private YamlReadException Error(string message) => new(source.Line, source.Column + 1, message);
}
