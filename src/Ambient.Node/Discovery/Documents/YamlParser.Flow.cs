namespace Ambient.Node.Discovery.Documents;

/// <content>Collections in brackets and braces, where lines and indentation say nothing; JSON is made of them.</content>
internal sealed partial class YamlParser
{
    private void StartFlow(NodeProperties properties)
    {
        var (line, column) = (_source.Line, _source.Column);
        var isSequence = _source.Current == '[';
        _source.Advance();
        Push(
            isSequence ? LevelKind.FlowSequence : LevelKind.FlowMapping, column,
            isSequence ? YamlEventKind.SequenceStart : YamlEventKind.MappingStart, properties, line, column);
    }

    private void StepFlowSequence()
    {
        SkipInFlow();
        if (_source.Current == ']')
        {
            _source.Advance();
            End(YamlEventKind.SequenceEnd);
        }
        else if (_levels.Peek().State == State.Comma)
        {
            Comma(']');
        }
        else if (AtIndicator('?'))
        {
            StartPair(State.ExplicitColon);
            _source.Advance();
            FlowNode(inSequence: false);
        }
        else
        {
            Enter(State.Comma);
            FlowNode(inSequence: true);
        }
    }

    private void StepFlowMapping()
    {
        SkipInFlow();
        var state = _levels.Peek().State;
        if (state == State.Colon)
        {
            Enter(State.Comma);
            Value();
        }
        else if (_source.Current == '}')
        {
            _source.Advance();
            End(YamlEventKind.MappingEnd);
        }
        else if (state == State.Comma)
        {
            Comma('}');
        }
        else
        {
            Enter(State.Colon);
            if (AtIndicator('?'))
            {
                _source.Advance();
                SkipInFlow();
            }

            FlowNode(inSequence: false);
        }
    }

    private void StepFlowPair()
    {
        SkipInFlow();
        switch (_levels.Peek().State)
        {
            case State.PairEnd:
                End(YamlEventKind.MappingEnd);
                break;
            default:
                Enter(State.PairEnd);
                Value();
                break;
        }
    }

    private void Value()
    {
        if (_source.Current != ':')
        {
            EmitEmpty(default);
            return;
        }

        _source.Advance();
        SkipInFlow();
        if (_source.Current is ',' or ']' or '}')
        {
            EmitEmpty(default);
        }
        else
        {
            FlowNode(inSequence: false);
        }
    }

    private void Comma(char end)
    {
        if (_source.Current != ',')
        {
            throw Error($"expected ',' or '{end}'; a bracket, brace or quote may not be closed");
        }

        _source.Advance();
        Enter(State.Next);
    }

    private void StartPair(State state)
    {
        Enter(State.Comma);
        Push(LevelKind.FlowPair, _source.Column, YamlEventKind.MappingStart, default, _source.Line, _source.Column);
        Enter(state);
    }

    private void FlowNode(bool inSequence)
    {
        SkipInFlow();
        var properties = Properties();
        SkipInFlow();
        if (_source.Current is '[' or '{')
        {
            StartFlow(properties);
            return;
        }

        if (_source.Current is ',' or ']' or '}' || AtFlowColon(_source.Current, _source.Peek(1)))
        {
            if (properties.IsEmpty && (_source.Current == ',' || (_source.Current == ':' && !inSequence && _levels.Peek().State != State.Colon)))
            {
                throw Error($"expected a value, found '{_source.Current}'");
            }

            if (inSequence && _source.Current == ':')
            {
                StartPair(State.Colon);
            }

            EmitEmpty(properties);
            return;
        }

        var quoted = _source.Current is '"' or '\'';
        var scalar = ReadScalar(-1, properties, flow: true, oneLine: false);
        if (inSequence && scalar.Line == _source.Line && IsFlowColonNext(quoted))
        {
            StartPair(State.Colon);
        }

        _pending.Enqueue(scalar);
    }

    private void SkipInFlow()
    {
        SkipToToken();
        if (AtDocumentEnd())
        {
            throw Error("a bracket or brace is not closed");
        }
    }

    private static bool AtFlowColon(char current, char next) =>
        current == ':' && (YamlSource.IsBlankOrBreak(next) || YamlSource.IsFlowIndicator(next));

    private bool IsFlowColonNext(bool quoted)
    {
        var ahead = 0;
        while (YamlSource.IsBlank(_source.Peek(ahead)))
        {
            ahead++;
        }

        return AtFlowColon(_source.Peek(ahead), _source.Peek(ahead + 1)) || (quoted && _source.Peek(ahead) == ':');
    }

    /// <summary>Whether the collection that begins here is a key: it ends on its line, and a colon follows.</summary>
    private bool IsFlowKey()
    {
        // As far as YAML looks for the colon of a key.
        const int MaxKey = 1024;
        var depth = 0;
        var quote = '\0';
        for (var ahead = 0; ahead < MaxKey; ahead++)
        {
            var c = _source.Peek(ahead);
            if (c is '\n' or '\r' or YamlSource.End)
            {
                return false;
            }

            if (quote != '\0')
            {
                ahead += c == '\\' && quote == '"' ? 1 : 0;
                quote = c == quote ? '\0' : quote;
            }
            else if (c is '"' or '\'' && YamlSource.IsBlankOrBreak(ahead == 0 ? ' ' : Before(_source.Peek(ahead - 1))))
            {
                quote = c;
            }
            else if (c is '[' or '{')
            {
                depth++;
            }
            else if (c is ']' or '}' && --depth == 0)
            {
                do
                {
                    ahead++;
                }
                while (YamlSource.IsBlank(_source.Peek(ahead)));
                return _source.Peek(ahead) == ':' && YamlSource.IsBlankOrBreak(_source.Peek(ahead + 1));
            }
        }

        return false;

        // A quote inside a word is part of it.
        static char Before(char c) => YamlSource.IsFlowIndicator(c) || c == ':' ? ' ' : c;
    }
}
