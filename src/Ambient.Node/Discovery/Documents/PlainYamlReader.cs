namespace Ambient.Node.Discovery.Documents;

/// <summary>
/// Reads what programs and people write as YAML nearly always (mappings and sequences by indentation, scalars within
/// one line, short lists in brackets) line by line, at a fifth of what <see cref="YamlReader"/> costs. Makes nodes of
/// the same values, tags and sizes; their places may be a word off, so a text with errors is read again by the other. Whatever it does not understand, or is wrong, or beyond a limit, it leaves to <see cref="YamlReader"/> by
/// throwing <see cref="PlainYamlException"/>, from the beginning of the text.
/// </summary>
internal sealed class PlainYamlReader : IYamlReader
{
    private readonly PlainYamlLines _lines;
    private readonly PlainYamlValues _values;
    private readonly Stack<Frame> _frames = [];
    private Next _next;
    private int _at;
    private YamlNode? _node;
    private bool _begun;

    /// <summary>Begins to read.</summary>
    public PlainYamlReader(TextReader text, YamlLimits limits)
    {
        _lines = new PlainYamlLines(text);
        _values = new PlainYamlValues(limits);
        Advance();
    }

    /// <summary>What comes next.</summary>
    private enum Next
    {
        /// <summary>A value within the current line, at <see cref="_at"/>.</summary>
        Inline,

        /// <summary>A mapping or sequence that begins at <see cref="_at"/> of the current line.</summary>
        Block,

        /// <summary>A node that has been read already.</summary>
        Node,
    }

    /// <inheritdoc/>
    public int Line => _lines.Number;

    /// <inheritdoc/>
    public int Column => _at + 1;

    private bool IsDash => IsDashAt(_at);

    /// <inheritdoc/>
    public bool NextDocument()
    {
        if (_begun)
        {
            // A second one is beyond us; what is left here is the end.
            return _at < 0 ? false : throw new PlainYamlException();
        }

        _begun = true;
        _next = Next.Block;
        return _at >= 0;
    }

    /// <inheritdoc/>
    public bool EnterMapping()
    {
        if (_next == Next.Block && !IsDash)
        {
            Push(null);
            return true;
        }

        return NeedsWhole<YamlMapping>();
    }

    /// <inheritdoc/>
    public YamlScalar? NextKey()
    {
        var frame = _frames.Peek();
        if (frame.Column != _at)
        {
            Pop(frame);
            return null;
        }

        return Key(frame.Column);
    }

    /// <inheritdoc/>
    public bool EnterSequence()
    {
        if (_next == Next.Block && IsDash)
        {
            Push(null);
            return true;
        }

        if (NeedsWhole<YamlSequence>())
        {
            Push(((YamlSequence)_node!).Items);
            return true;
        }

        return false;
    }

    /// <inheritdoc/>
    public bool NextItem()
    {
        var frame = _frames.Peek();
        if (frame.Items is { } items)
        {
            if (frame.Read == items.Count)
            {
                _frames.Pop();
                _values.Leave();
                return false;
            }

            (_next, _node) = (Next.Node, items[frame.Read++]);
            return true;
        }

        if (frame.Column != _at || !IsDash)
        {
            Pop(frame);
            return false;
        }

        Item();
        return true;
    }

    /// <inheritdoc/>
    public YamlNode ReadNode()
    {
        if (_next == Next.Node)
        {
            return _node!;
        }

        var node = Read();
        if (_frames.TryPeek(out var frame) && _at > frame.Column)
        {
            throw new PlainYamlException();
        }

        return node;
    }

    /// <summary>Reads a list or object in brackets so that it can be entered; false when something else comes, which is still to be read.</summary>
    private bool NeedsWhole<T>()
        where T : YamlNode
    {
        if (_next == Next.Inline)
        {
            (_node, _next) = (ReadNode(), Next.Node);
        }

        if (_node is YamlMapping && typeof(T) == typeof(YamlMapping))
        {
            throw new PlainYamlException();
        }

        return _next == Next.Node && _node is T;
    }

    private YamlNode Read()
    {
        switch (_next)
        {
            case Next.Node:
                return _node!;
            case Next.Inline:
                var value = _values.Read(_lines.Current, _lines.Number, _at);
                Advance();
                return value;
            default:
                return IsDash ? ReadSequence() : ReadMapping();
        }
    }

    private YamlMapping ReadMapping()
    {
        var (line, column) = (_lines.Number, _at);
        _values.Enter();
        var entries = new List<KeyValuePair<YamlScalar, YamlNode>>(4);
        do
        {
            var key = Key(column);
            if (PlainYamlValues.Has(entries, key.Value))
            {
                throw new PlainYamlException();
            }

            entries.Add(new(key, Read()));
        }
        while (_at == column);
        Close(column);
        return new YamlMapping(entries, line, column + 1);
    }

    private YamlSequence ReadSequence()
    {
        var (line, column) = (_lines.Number, _at);
        _values.Enter();
        var items = new List<YamlNode>(1);
        do
        {
            Item();
            items.Add(Read());
        }
        while (_at == column && IsDash);
        Close(column);
        return new YamlSequence(items, null, line, column + 1);
    }

    /// <summary>Reads a key, and finds what its value is.</summary>
    private YamlScalar Key(int column)
    {
        var line = _lines.Current;
        var at = _at;
        if (_values.Key(line, _lines.Number, ref at) is not { } key)
        {
            throw new PlainYamlException();
        }

        var number = _lines.Number;
        if (!PlainYamlValues.IsEnd(line, at))
        {
            _at = at + PlainYamlValues.Blanks(line[at..]);
            _next = Next.Inline;
            return key;
        }

        Advance();
        if (_at > column || (_at == column && IsDash))
        {
            _next = Next.Block;
        }
        else
        {
            (_next, _node) = (Next.Node, _values.Scalar("", plain: true, null, number, at));
        }

        return key;
    }

    /// <summary>Goes behind the dash of an item, and finds what the item is.</summary>
    private void Item()
    {
        var line = _lines.Current;
        var at = _at + 1;
        if (PlainYamlValues.IsEnd(line, at))
        {
            throw new PlainYamlException();
        }

        at += PlainYamlValues.Blanks(line[at..]);
        _at = at;
        _next = IsDash || IsKeyAt(at) ? Next.Block : Next.Inline;
    }

    private bool IsKeyAt(int at)
    {
        // Brackets and tags begin no key that is known here; a quoted key is told from a quoted value by what follows.
        var line = _lines.Current;
        return line[at] is not ('[' or '{' or '!') && _values.IsKey(line, at);
    }

    private bool IsDashAt(int at)
    {
        var line = _lines.Current;
        return at >= 0 && line[at] == '-' && (at + 1 == line.Length || line[at + 1] == ' ');
    }

    private void Close(int column)
    {
        _values.Leave();
        if (_at > column)
        {
            throw new PlainYamlException();
        }
    }

    private void Push(List<YamlNode>? items)
    {
        _values.Enter();
        _frames.Push(new Frame(items is null ? _at : -1, items));
    }

    private void Pop(Frame frame)
    {
        _frames.Pop();
        Close(frame.Column);
        if (_frames.TryPeek(out var outer) && _at > outer.Column)
        {
            throw new PlainYamlException();
        }
    }

    private void Advance()
    {
        _lines.Next();
        _at = _lines.Indent;
    }

    private sealed class Frame(int column, List<YamlNode>? items)
    {
        public int Column { get; } = column;

        public List<YamlNode>? Items { get; } = items;

        public int Read { get; set; }
    }
}
