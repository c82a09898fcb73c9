namespace Ambient.Node.Discovery.Documents;

/// <summary>
/// The lines of a text that say something: blank lines and comments are passed over. Holds one buffer, whatever the
/// size of the text.
/// </summary>
/// <param name="text">The text.</param>
internal sealed class PlainYamlLines(TextReader text)
{
    // YAML itself allows a key no more than 1,024 characters before its colon.
    private const int MostInLine = 1000;

    private readonly char[] _buffer = new char[32 << 10];
    private int _from;
    private int _to;
    private int _start;
    private int _length;

    /// <summary>Number of the current line, from 1.</summary>
    public int Number { get; private set; }

    /// <summary>Blanks before the first character of the current line; -1 at the end of the text.</summary>
    public int Indent { get; private set; } = -1;

    /// <summary>The current line without its end.</summary>
    public ReadOnlySpan<char> Current => _buffer.AsSpan(_start, _length);

    /// <summary>Goes to the next line that says something.</summary>
    /// <exception cref="PlainYamlException">A line is too long, or has a character that is neither printable ASCII nor a letter or digit.</exception>
    public void Next()
    {
        while (NextLine())
        {
            var line = Current;
            Check(line);
            var indent = line.IndexOfAnyExcept(' ');
            if (indent >= 0 && line[indent] != '#')
            {
                Indent = indent;
                return;
            }
        }

        Indent = -1;
        _length = 0;
    }

    private static void Check(ReadOnlySpan<char> line)
    {
        if (line.Length > MostInLine)
        {
            throw new PlainYamlException();
        }

        var odd = line.IndexOfAnyExceptInRange(' ', '~');
        for (; odd >= 0 && odd < line.Length; odd++)
        {
            // Tabs, control characters, Unicode's own line ends and byte order marks mean something of their own.
            if (line[odd] is not (>= ' ' and <= '~') && !char.IsLetterOrDigit(line[odd]))
            {
                throw new PlainYamlException();
            }
        }
    }

    private bool NextLine()
    {
        var searched = 0;
        while (true)
        {
            var end = _buffer.AsSpan(_from + searched, _to - _from - searched).IndexOf('\n');
            if (end >= 0)
            {
                Take(searched + end, 1);
                return true;
            }

            searched = _to - _from;
            if (searched > MostInLine)
            {
                throw new PlainYamlException();
            }

            _buffer.AsSpan(_from, searched).CopyTo(_buffer);
            (_from, _to) = (0, searched);
            var read = text.Read(_buffer, _to, _buffer.Length - _to);
            if (read == 0)
            {
                if (searched == 0)
                {
                    return false;
                }

                Take(searched, 0);
                return true;
            }

            _to += read;
        }
    }

    private void Take(int length, int ending)
    {
        _start = _from;
        _from += length + ending;
        _length = ending == 1 && length > 0 && _buffer[_start + length - 1] == '\r' ? length - 1 : length;
        Number++;
    }
}
