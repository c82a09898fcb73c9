namespace Ambient.Node.Discovery.Documents;

/// <summary>
/// Reads YAML node by node. Holds no more than the node that was asked for, so a large file streams. Every way in which
/// the text can be wrong surfaces as <see cref="YamlReadException"/> with its place.
/// </summary>
internal sealed class YamlReader : IYamlReader
{
    private readonly YamlParser _parser;
    private readonly YamlLimits _limits;
    private readonly bool _tolerant;
    private readonly Dictionary<string, YamlNode> _anchors = new(StringComparer.Ordinal);
    private int _documents;
    private long _nodes;
    private int _depth;

    /// <summary>A reader of <paramref name="text"/>.</summary>
    /// <param name="text">Text.</param>
    /// <param name="limits">What it may cost.</param>
    /// <param name="tolerant">
    /// Whether problems of a mapping are left to whoever uses it (<see cref="YamlMapping.Problems"/>); otherwise the
    /// first one ends the reading.
    /// </param>
    public YamlReader(TextReader text, YamlLimits limits, bool tolerant = false)
    {
        _limits = limits;
        _tolerant = tolerant;
        _parser = new YamlParser(text);
        Advance();
    }

    /// <inheritdoc/>
    public int Line => Current.Line;

    /// <inheritdoc/>
    public int Column => Current.Column;

    private YamlEvent Current => _parser.Current;

    /// <inheritdoc/>
    public bool NextDocument()
    {
        if (Current.Kind == YamlEventKind.DocumentEnd)
        {
            Advance();
        }

        if (Current.Kind == YamlEventKind.StreamEnd)
        {
            return false;
        }

        if (++_documents > _limits.MaxDocuments)
        {
            throw Error($"more than {_limits.MaxDocuments} documents in one file");
        }

        _anchors.Clear();
        Advance();
        return true;
    }

    /// <inheritdoc/>
    public bool EnterMapping()
    {
        if (Current.Kind != YamlEventKind.MappingStart)
        {
            return false;
        }

        Enter();
        return true;
    }

    /// <inheritdoc/>
    public YamlScalar? NextKey()
    {
        if (Current.Kind == YamlEventKind.MappingEnd)
        {
            Leave();
            return null;
        }

        return ReadKey();
    }

    /// <inheritdoc/>
    public bool EnterSequence()
    {
        if (Current.Kind != YamlEventKind.SequenceStart)
        {
            return false;
        }

        Enter();
        return true;
    }

    /// <inheritdoc/>
    public bool NextItem()
    {
        if (Current.Kind == YamlEventKind.SequenceEnd)
        {
            Leave();
            return false;
        }

        return true;
    }

    /// <inheritdoc/>
    public YamlNode ReadNode()
    {
        var start = Current;
        YamlNode node;
        switch (start.Kind)
        {
            case YamlEventKind.Alias:
                if (!_anchors.TryGetValue(start.Text, out var target))
                {
                    throw Error($"unknown alias *{start.Text}");
                }

                Count(target.Size);
                Advance();
                return target;

            case YamlEventKind.Scalar:
                Count(1);
                node = new YamlScalar(start.Text, IsPlain(start), LocalTag(start.Tag), Line, Column);
                Advance();
                break;

            case YamlEventKind.SequenceStart:
                node = ReadSequence();
                break;

            case YamlEventKind.MappingStart:
                node = ReadMapping();
                break;

            default:
                throw Error("expected a value");
        }

        if (start.Anchor is { } anchor)
        {
            _anchors[anchor] = node;
        }

        return node;
    }

    private YamlSequence ReadSequence()
    {
        var (line, column, tag) = (Line, Column, LocalTag(Current.Tag));
        Count(1);
        Enter();
        var items = new List<YamlNode>();
        while (NextItem())
        {
            items.Add(ReadNode());
        }

        return new YamlSequence(items, tag, line, column);
    }

    private YamlMapping ReadMapping()
    {
        var (line, column) = (Line, Column);
        Count(1);
        Enter();
        var entries = new YamlEntries();
        while (Current.Kind != YamlEventKind.MappingEnd)
        {
            var key = ReadNode();
            if (key is not YamlScalar name)
            {
                entries.Problem(key, $"a key must be text; found {key.Describe()}");
                ReadNode();
            }
            else if (name is { IsPlain: true, Value: "<<" })
            {
                var value = ReadNode();
                Count(value.Size);
                entries.Merge(name, value);
            }
            else
            {
                entries.Add(name, ReadNode());
            }
        }

        Leave();
        var mapping = entries.Build(line, column);
        if (!_tolerant && mapping.Problems is [var problem, ..])
        {
            throw new YamlReadException(problem.Line, problem.Column, problem.Message);
        }

        return mapping;
    }

    private YamlScalar ReadKey()
    {
        if (Current.Kind != YamlEventKind.Scalar)
        {
            throw Error("expected a plain key");
        }

        Count(1);
        var key = new YamlScalar(Current.Text, Current.IsPlain, null, Line, Column);
        Advance();
        return key;
    }

    private void Enter()
    {
        if (++_depth > _limits.MaxDepth)
        {
            throw Error($"nested deeper than {_limits.MaxDepth} levels");
        }

        Advance();
    }

    private void Leave()
    {
        _depth--;
        Advance();
    }

    private void Count(int nodes)
    {
        _nodes += nodes;
        if (_nodes > _limits.MaxNodes)
        {
            throw Error($"more than {_limits.MaxNodes} values in one file (aliases count each time they are used)");
        }
    }

    private YamlReadException Error(string message) => new(Line, Column, message);

    private void Advance() => _parser.MoveNext();

    /// <summary>Whether a scalar's text says its type: one without quotes, unless a tag makes a string of it.</summary>
    private static bool IsPlain(YamlEvent scalar) => scalar.Tag switch
    {
        "!!int" or "!!float" or "!!bool" or "!!null" => true,
        null or "!" => scalar.IsPlain,
        var tag => scalar.IsPlain && LocalTag(tag) is not null,
    };

    /// <summary>A tag of the document's own (<c>!Exact</c>), without its exclamation mark.</summary>
    private static string? LocalTag(string? tag) =>
        tag is { Length: > 1 } && tag[1] is not ('!' or '<') ? tag[1..] : null;
}
