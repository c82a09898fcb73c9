namespace Ambient.Node.Discovery.Documents;

/// <summary>
/// Steps through YAML: collections, scalars and aliases in the order in which they stand. Takes what Kubernetes' reader
/// takes and what YAML 1.2 allows. Keeps no more than the nesting, so a large file streams, and nesting does not recurse.
/// </summary>
internal sealed partial class YamlParser
{
    private readonly YamlSource _source;
    private readonly YamlScalars _scalars;
    private readonly Stack<Level> _levels = new();
    private readonly Queue<YamlEvent> _pending = new();

    public YamlParser(TextReader text)
    {
        _source = new YamlSource(text);
        _scalars = new YamlScalars(_source);
        Current = new YamlEvent(YamlEventKind.StreamStart, 1, 1);
    }

    private enum State
    {
        /// <summary>Before a key, an item, or the end.</summary>
        Next,

        /// <summary>After a key, before its colon.</summary>
        Colon,

        /// <summary>After a key that a question mark began.</summary>
        ExplicitColon,

        /// <summary>After an item of a flow collection, before a comma or the end.</summary>
        Comma,

        /// <summary>After the only pair of a flow mapping without braces.</summary>
        PairEnd,
    }

    private enum LevelKind
    {
        BlockSequence,
        BlockMapping,
        FlowSequence,
        FlowMapping,
        FlowPair,
    }

    /// <summary>What a node is the value of, which says what may stand on the same line.</summary>
    private enum Place
    {
        /// <summary>The document, on the line of its marker.</summary>
        AfterMarker,

        /// <summary>The value of a key.</summary>
        Value,

        /// <summary>An item of a sequence, or a key after a question mark: a collection may begin on the same line.</summary>
        Item,
    }

    /// <summary>The step that was met last.</summary>
    public YamlEvent Current { get; private set; }

    /// <summary>Goes to the next step; not after <see cref="YamlEventKind.StreamEnd"/>.</summary>
    public void MoveNext()
    {
        while (_pending.Count == 0)
        {
            Step();
        }

        Current = _pending.Dequeue();
    }

    private void Step()
    {
        if (_levels.Count > 0)
        {
            StepLevel();
        }
        else if (_inDocument)
        {
            EndDocument();
        }
        else
        {
            StartDocument();
        }
    }

    private bool _inDocument;

    private void StartDocument()
    {
        var directives = false;
        while (true)
        {
            SkipToToken();
            if (_source.AtEnd)
            {
                if (directives)
                {
                    throw Error("expected --- after the directives");
                }

                Emit(YamlEventKind.StreamEnd);
                return;
            }

            if (AtDirective)
            {
                directives = true;
                _source.SkipLine();
            }
            else if (_source.AtMarker('.'))
            {
                _source.Advance(3);
            }
            else if (!YamlSource.IsBlankOrBreak(_source.Current) && _source.Current != '#' && _source.Current != '\ufeff')
            {
                break;
            }
        }

        Emit(YamlEventKind.DocumentStart);
        _inDocument = true;
        if (_source.AtMarker('-'))
        {
            _source.Advance(3);
            Node(-1, Place.AfterMarker);
        }
        else if (directives)
        {
            throw Error("expected --- after the directives");
        }
        else
        {
            Node(-1, Place.Item);
        }
    }

    private void EndDocument()
    {
        SkipToToken();
        if (_source.AtMarker('.'))
        {
            _source.Advance(3);
            _source.SkipBlanks();
            if (_source.Current != '#' && !YamlSource.IsBlankOrBreak(_source.Current))
            {
                throw Error("expected the end of the line after the end of a document");
            }
        }
        else if (!_source.AtEnd && !_source.AtMarker('-') && !AtDirective)
        {
            throw Error("the document has ended; expected --- before another one, or the same indentation as above");
        }

        Emit(YamlEventKind.DocumentEnd);
        _inDocument = false;
    }

    private void StepLevel()
    {
        switch (_levels.Peek().Kind)
        {
            case LevelKind.BlockSequence:
                StepBlockSequence();
                break;
            case LevelKind.BlockMapping:
                StepBlockMapping();
                break;
            case LevelKind.FlowSequence:
                StepFlowSequence();
                break;
            case LevelKind.FlowMapping:
                StepFlowMapping();
                break;
            default:
                StepFlowPair();
                break;
        }
    }

    private void StepBlockSequence()
    {
        var indent = _levels.Peek().Indent;
        SkipToToken();
        if (AtBlockEnd(indent) || (_source.Column == indent && !AtIndicator('-')))
        {
            End(YamlEventKind.SequenceEnd);
            return;
        }

        CheckIndent(indent);
        _source.Advance();
        Node(indent, Place.Item);
    }

    private void StepBlockMapping()
    {
        var level = _levels.Peek();
        SkipToToken();
        switch (level.State)
        {
            case State.Colon:
                if (!AtIndicator(':'))
                {
                    throw Error("expected a colon after the key");
                }

                _source.Advance();
                Enter(State.Next);
                Node(level.Indent, Place.Value);
                break;
            case State.ExplicitColon:
                Enter(State.Next);
                if (!AtBlockEnd(level.Indent) && _source.Column == level.Indent && AtIndicator(':'))
                {
                    _source.Advance();
                    Node(level.Indent, Place.Item);
                }
                else
                {
                    EmitEmpty(default);
                }

                break;
            default:
                if (AtBlockEnd(level.Indent))
                {
                    End(YamlEventKind.MappingEnd);
                    break;
                }

                CheckIndent(level.Indent);
                Key(level.Indent);
                break;
        }
    }

    private void Key(int indent)
    {
        if (AtIndicator('?'))
        {
            _source.Advance();
            Enter(State.ExplicitColon);
            Node(indent, Place.Item);
            return;
        }

        Enter(State.Colon);
        var properties = Properties();
        if (AtIndicator(':'))
        {
            EmitEmpty(properties);
        }
        else if (_source.Current is '[' or '{')
        {
            StartFlow(properties);
        }
        else
        {
            var key = ReadScalar(indent, properties, flow: false, oneLine: true);
            if (key.Line != _source.Line || !IsColonNext())
            {
                throw new YamlReadException(key.Line, key.Column, $"expected a key and a colon; found \"{Shorten(key.Text)}\"");
            }

            _pending.Enqueue(key);
        }
    }

    /// <summary>Meets a node in block context.</summary>
    /// <param name="indent">Column of what holds it; its further lines stand beyond.</param>
    /// <param name="place">What it is the value of.</param>
    private void Node(int indent, Place place)
    {
        var newLine = SkipToToken() || (place == Place.Item && indent < 0);
        if (IsAbsent(indent, place, newLine))
        {
            EmitEmpty(default);
            return;
        }

        var (line, column) = (_source.Line, _source.Column);
        var isBlockPlace = newLine || place == Place.Item;
        var properties = Properties();
        var before = default(NodeProperties);
        while (!properties.IsEmpty && SkipToToken())
        {
            // What stands on a line of its own is said of the whole collection.
            before = new NodeProperties(properties.Tag ?? before.Tag, properties.Anchor ?? before.Anchor);
            if (IsAbsent(indent, place, newLine: true))
            {
                EmitEmpty(before);
                return;
            }

            (line, column) = (_source.Line, _source.Column);
            properties = Properties();
            isBlockPlace = true;
        }

        if (isBlockPlace && _source.HasTabIndent && (AtIndicator('-') || AtIndicator('?')))
        {
            throw TabError();
        }

        if (AtIndicator('-'))
        {
            RequireBlockPlace(isBlockPlace, "an item of a list");
            Push(LevelKind.BlockSequence, column, YamlEventKind.SequenceStart, before.IsEmpty ? properties : before, line, column);
        }
        else if (AtIndicator('?') || AtIndicator(':'))
        {
            RequireBlockPlace(isBlockPlace, "a key");
            StartBlockMapping(line, column, before, properties);
            if (AtIndicator(':'))
            {
                EmitEmpty(properties);
                Enter(State.Colon);
            }
        }
        else if (_source.Current is '[' or '{')
        {
            if (isBlockPlace && IsFlowKey())
            {
                StartBlockMapping(line, column, before, default);
                Enter(State.Colon);
                StartFlow(properties);
            }
            else
            {
                StartFlow(before.IsEmpty ? properties : before);
            }
        }
        else
        {
            Scalar(indent, line, column, isBlockPlace, before, properties);
        }
    }

    private void Scalar(int indent, int line, int column, bool isBlockPlace, NodeProperties before, NodeProperties properties)
    {
        if (_source.Current is '|' or '>')
        {
            var all = before.IsEmpty ? properties : before;
            var (startLine, startColumn) = (_source.Line, _source.Column);
            _pending.Enqueue(new YamlEvent(
                YamlEventKind.Scalar, startLine, startColumn + 1, _scalars.ReadBlock(indent), IsPlain: false, all.Tag, all.Anchor));
            return;
        }

        var scalar = ReadScalar(indent, properties, flow: false, oneLine: false);
        if (scalar.Line == _source.Line && IsColonNext())
        {
            RequireBlockPlace(isBlockPlace, "a key");
            if (_source.HasTabIndent)
            {
                throw TabError();
            }

            StartBlockMapping(line, column, before, default);
            Enter(State.Colon);
            _pending.Enqueue(scalar);
        }
        else
        {
            _pending.Enqueue(before.IsEmpty ? scalar : scalar with { Tag = before.Tag ?? scalar.Tag, Anchor = before.Anchor ?? scalar.Anchor });
        }
    }

    private void StartBlockMapping(int line, int column, NodeProperties before, NodeProperties properties) =>
        Push(LevelKind.BlockMapping, column, YamlEventKind.MappingStart, before.IsEmpty && AtIndicator('?') ? properties : before, line, column);

    /// <summary>Whether there is nothing where a value may stand.</summary>
    private bool IsAbsent(int indent, Place place, bool newLine) =>
        AtDocumentEnd() || (newLine && _source.Column <= indent && !(place == Place.Value && _source.Column == indent && AtIndicator('-')));

    /// <summary>Reads an alias, or a plain or quoted scalar.</summary>
    private YamlEvent ReadScalar(int indent, NodeProperties properties, bool flow, bool oneLine)
    {
        var (line, column) = (_source.Line, _source.Column + 1);
        switch (_source.Current)
        {
            case '*':
                _source.Advance();
                return new YamlEvent(YamlEventKind.Alias, line, column, ReadName());
            case '"' or '\'':
                return new YamlEvent(YamlEventKind.Scalar, line, column, _scalars.ReadQuoted(), IsPlain: false, properties.Tag, properties.Anchor);
            default:
                if (!_scalars.IsPlainStart(flow))
                {
                    // A tag or an anchor may stand for itself, with nothing behind it.
                    return !properties.IsEmpty && (YamlSource.IsBlankOrBreak(_source.Current) || YamlSource.IsFlowIndicator(_source.Current))
                        ? new YamlEvent(YamlEventKind.Scalar, line, column, "", IsPlain: true, properties.Tag, properties.Anchor)
                        : throw Error(_source.AtEnd ? "the text ended unexpectedly" : $"'{_source.Current}' cannot begin a value; write it in quotes");
                }

                return new YamlEvent(
                    YamlEventKind.Scalar, line, column, _scalars.ReadPlain(indent, flow, oneLine), IsPlain: true, properties.Tag, properties.Anchor);
        }
    }

    private NodeProperties Properties()
    {
        string? tag = null, anchor = null;
        while (_source.Current is '&' or '!')
        {
            if (_source.Current == '&')
            {
                _source.Advance();
                anchor = ReadName();
            }
            else
            {
                tag = ReadTag();
            }

            _source.SkipBlanks();
        }

        return new NodeProperties(tag, anchor);
    }

    private string ReadTag()
    {
        var text = new System.Text.StringBuilder();
        var verbatim = _source.Peek(1) == '<';
        while (!YamlSource.IsBlankOrBreak(_source.Current) && (verbatim || !YamlSource.IsFlowIndicator(_source.Current)))
        {
            text.Append(_source.Current);
            _source.Advance();
        }

        return text.ToString();
    }

    private string ReadName()
    {
        var text = new System.Text.StringBuilder();
        while (!YamlSource.IsBlankOrBreak(_source.Current) && !YamlSource.IsFlowIndicator(_source.Current)
            && !(_source.Current == ':' && YamlSource.IsBlankOrBreak(_source.Peek(1))))
        {
            text.Append(_source.Current);
            _source.Advance();
        }

        return text.Length > 0 ? text.ToString() : throw Error("expected the name of an anchor");
    }

    /// <summary>Goes over blanks, comments and line ends; whether a line ended.</summary>
    private bool SkipToToken()
    {
        var newLine = _source is { Column: 0, Line: 1 };
        while (true)
        {
            _source.SkipBlanks();
            _source.SkipByteOrderMark();
            if (_source.Current == '#')
            {
                _source.SkipLine();
            }

            if (!YamlSource.IsBreak(_source.Current))
            {
                return newLine;
            }

            _source.AdvanceLine();
            newLine = true;
        }
    }

    private bool AtDocumentEnd() => _source.AtEnd || _source.AtMarker('-') || _source.AtMarker('.') || AtDirective;

    /// <summary>Whether a line begins with a percent sign, as directives do; nothing else can in block context.</summary>
    private bool AtDirective => _source is { Column: 0, Current: '%' };

    private bool AtBlockEnd(int indent) => AtDocumentEnd() || _source.Column < indent;

    /// <summary>Whether an indicator stands here, which a blank follows.</summary>
    private bool AtIndicator(char indicator) => _source.Current == indicator && YamlSource.IsBlankOrBreak(_source.Peek(1));

    /// <summary>Whether only blanks stand between here and a colon that makes a key of what was read.</summary>
    private bool IsColonNext()
    {
        var ahead = 0;
        while (YamlSource.IsBlank(_source.Peek(ahead)))
        {
            ahead++;
        }

        return _source.Peek(ahead) == ':' && YamlSource.IsBlankOrBreak(_source.Peek(ahead + 1));
    }

    private void CheckIndent(int indent)
    {
        if (_source.HasTabIndent)
        {
            throw TabError();
        }

        if (_source.Column > indent)
        {
            throw Error("the indentation does not fit what stands above");
        }
    }

    private void RequireBlockPlace(bool isBlockPlace, string what)
    {
        if (!isBlockPlace)
        {
            throw Error($"{what} is not allowed here; expected it on a line of its own, or the text in quotes");
        }
    }

    private YamlReadException TabError() => Error("a tab cannot indent; expected spaces");

    private void Push(LevelKind kind, int indent, YamlEventKind start, NodeProperties properties, int line, int column)
    {
        _levels.Push(new Level(kind, indent, State.Next));
        _pending.Enqueue(new YamlEvent(start, line, column + 1, "", false, properties.Tag, properties.Anchor));
    }

    private void End(YamlEventKind kind)
    {
        _levels.Pop();
        Emit(kind);
    }

    private void Enter(State state) => _levels.Push(_levels.Pop() with { State = state });

    private void Emit(YamlEventKind kind) => _pending.Enqueue(new YamlEvent(kind, _source.Line, _source.Column + 1));

    private void EmitEmpty(NodeProperties properties) => _pending.Enqueue(new YamlEvent(
        YamlEventKind.Scalar, _source.Line, _source.Column + 1, "", IsPlain: true, properties.Tag, properties.Anchor));

    private YamlReadException Error(string message) => new(_source.Line, _source.Column + 1, message);

    private static string Shorten(string text) => text.Length <= 60 ? text : text[..57] + "...";

    private readonly record struct Level(LevelKind Kind, int Indent, State State);

    /// <summary>What may stand in front of a node.</summary>
    private readonly record struct NodeProperties(string? Tag, string? Anchor)
    {
        public bool IsEmpty => Tag is null && Anchor is null;
    }
}
