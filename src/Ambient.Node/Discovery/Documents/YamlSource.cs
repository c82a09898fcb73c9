namespace Ambient.Node.Discovery.Documents;

/// <summary>The characters of a YAML text with their places, read as they are needed. A line ends with LF, CR LF or CR.</summary>
internal sealed class YamlSource(TextReader text)
{
    /// <summary>What stands after the last character.</summary>
    public const char End = '\uffff';

    private char[] _buffer = new char[8192];
    private int _start;
    private int _length;
    private bool _ended;

    /// <summary>Line of the current character, from 1.</summary>
    public int Line { get; private set; } = 1;

    /// <summary>Column of the current character, from 0.</summary>
    public int Column { get; private set; }

    /// <summary>Whether a tab stands among the blanks that the current line begins with, as far as they were passed.</summary>
    public bool HasTabIndent { get; private set; }

    /// <summary>The current character.</summary>
    public char Current => _start < _length ? _buffer[_start] : Peek(0);

    /// <summary>Whether the text has ended.</summary>
    public bool AtEnd => Current == End && _start >= _length;

    /// <summary>The character <paramref name="ahead"/> of the current one.</summary>
    public char Peek(int ahead)
    {
        while (_start + ahead >= _length)
        {
            if (!Fill())
            {
                return End;
            }
        }

        return _buffer[_start + ahead];
    }

    /// <summary>Goes to the next character; the current one does not end a line.</summary>
    public void Advance()
    {
        _start++;
        Column++;
    }

    /// <summary>Goes over several characters of a line.</summary>
    public void Advance(int count)
    {
        _start += count;
        Column += count;
    }

    /// <summary>Goes over the end of the line that is the current character.</summary>
    public void AdvanceLine()
    {
        _start += Current == '\r' && Peek(1) == '\n' ? 2 : 1;
        Line++;
        Column = 0;
        HasTabIndent = false;
    }

    /// <summary>Goes over spaces and tabs.</summary>
    public void SkipBlanks()
    {
        var isIndent = Column == 0;
        while (IsBlank(Current))
        {
            HasTabIndent |= isIndent && Current == '\t';
            Advance();
        }
    }

    /// <summary>Goes over a byte order mark, which also stands where texts were put together.</summary>
    public void SkipByteOrderMark()
    {
        if (Column == 0 && Current == '\ufeff')
        {
            _start++;
        }
    }

    /// <summary>Goes to the end of the line.</summary>
    public void SkipLine()
    {
        while (!IsBreak(Current) && !AtEnd)
        {
            Advance();
        }
    }

    /// <summary>Whether the line begins with <c>---</c> or <c>...</c> here.</summary>
    public bool AtMarker(char of)
    {
        return Column == 0 && Current == of && Peek(1) == of && Peek(2) == of && IsBlankOrBreak(Peek(3));
    }

    public static bool IsBlank(char c) => c is ' ' or '\t';

    public static bool IsBreak(char c) => c is '\n' or '\r';

    /// <summary>Whether a character ends a token: a blank, the end of the line or of the text.</summary>
    public static bool IsBlankOrBreak(char c) => c is ' ' or '\t' or '\n' or '\r' or End;

    public static bool IsFlowIndicator(char c) => c is ',' or '[' or ']' or '{' or '}';

    private bool Fill()
    {
        if (_ended)
        {
            return false;
        }

        if (_start > _buffer.Length / 2)
        {
            _buffer.AsSpan(_start, _length - _start).CopyTo(_buffer);
            _length -= _start;
            _start = 0;
        }
        else if (_length == _buffer.Length)
        {
            Array.Resize(ref _buffer, _buffer.Length * 2);
        }

        var read = text.Read(_buffer.AsSpan(_length));
        _ended = read == 0;
        _length += read;
        return read > 0;
    }
}
