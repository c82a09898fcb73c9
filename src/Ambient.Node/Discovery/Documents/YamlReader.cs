using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Ambient.Node.Discovery.Documents;

/// <summary>
/// Reads YAML node by node over YamlDotNet's event parser, which needs no reflection. Holds no more than the node that
/// was asked for, so a large file streams. Every way in which the text can be wrong surfaces as
/// <see cref="YamlReadException"/> with its place.
/// </summary>
internal sealed class YamlReader : IYamlReader
{
    private readonly Parser _parser;
    private readonly YamlLimits _limits;
    private readonly Dictionary<string, YamlNode> _anchors = new(StringComparer.Ordinal);
    private int _documents;
    private long _nodes;
    private int _depth;

    public YamlReader(TextReader text, YamlLimits limits)
    {
        _limits = limits;
        _parser = new Parser(new Scanner(text, skipComments: true));
        Advance();
        Advance();
    }

    /// <inheritdoc/>
    public int Line => (int)Current.Start.Line;

    /// <inheritdoc/>
    public int Column => (int)Current.Start.Column;

    private ParsingEvent Current => _parser.Current!;

    /// <inheritdoc/>
    public bool NextDocument()
    {
        if (Current is DocumentEnd)
        {
            Advance();
        }

        if (Current is StreamEnd)
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
        if (Current is not MappingStart)
        {
            return false;
        }

        Enter();
        return true;
    }

    /// <inheritdoc/>
    public YamlScalar? NextKey()
    {
        if (Current is MappingEnd)
        {
            Leave();
            return null;
        }

        return ReadKey();
    }

    /// <inheritdoc/>
    public bool EnterSequence()
    {
        if (Current is not SequenceStart)
        {
            return false;
        }

        Enter();
        return true;
    }

    /// <inheritdoc/>
    public bool NextItem()
    {
        if (Current is SequenceEnd)
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
        switch (start)
        {
            case AnchorAlias alias:
                if (!_anchors.TryGetValue(alias.Value.Value, out var target))
                {
                    throw Error($"unknown alias *{alias.Value.Value}");
                }

                Count(target.Size);
                Advance();
                return target;

            case YamlDotNet.Core.Events.Scalar scalar:
                Count(1);
                node = new YamlScalar(scalar.Value, scalar.Style == ScalarStyle.Plain && IsUntyped(scalar.Tag), LocalTag(scalar.Tag), Line, Column);
                Advance();
                break;

            case SequenceStart:
                node = ReadSequence();
                break;

            case MappingStart:
                node = ReadMapping();
                break;

            default:
                throw Error("expected a value");
        }

        if (start is NodeEvent { Anchor.IsEmpty: false } anchored)
        {
            _anchors[anchored.Anchor.Value] = node;
        }

        return node;
    }

    private YamlSequence ReadSequence()
    {
        var (line, column, tag) = (Line, Column, LocalTag(((SequenceStart)Current).Tag));
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
        var entries = new List<KeyValuePair<YamlScalar, YamlNode>>();
        HashSet<string>? seen = null;
        while (NextKey() is { } key)
        {
            if (IsDuplicate(entries, key.Value, ref seen))
            {
                throw new YamlReadException(key.Line, key.Column, $"the key \"{key.Value}\" appears twice");
            }

            entries.Add(new(key, ReadNode()));
        }

        return new YamlMapping(entries, line, column);
    }

    private static bool IsDuplicate(List<KeyValuePair<YamlScalar, YamlNode>> entries, string key, ref HashSet<string>? seen)
    {
        // Small mappings are scanned; a set is made only where scanning would become quadratic.
        if (seen is null && entries.Count >= 16)
        {
            seen = entries.Select(entry => entry.Key.Value).ToHashSet(StringComparer.Ordinal);
        }

        return seen is null
            ? entries.Exists(entry => entry.Key.Value == key)
            : !seen.Add(key);
    }

    private YamlScalar ReadKey()
    {
        if (Current is not YamlDotNet.Core.Events.Scalar scalar)
        {
            throw Error("expected a plain key");
        }

        if (scalar.Style == ScalarStyle.Plain && scalar.Value == "<<")
        {
            throw Error("merge keys (<<) are not supported; write the fields out");
        }

        Count(1);
        var key = new YamlScalar(scalar.Value, scalar.Style == ScalarStyle.Plain, null, Line, Column);
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

    private void Advance()
    {
        try
        {
            if (!_parser.MoveNext())
            {
                throw new YamlReadException(1, 1, "the text ended unexpectedly");
            }
        }
        catch (YamlException e)
        {
            throw new YamlReadException((int)e.Start.Line, (int)e.Start.Column, Clean(e.Message));
        }
        catch (Exception e) when (e is not (YamlReadException or OutOfMemoryException or IOException or OperationCanceledException))
        {
            // The parser is fed hostile text; whatever it trips over is the text's fault, never the process's end.
            var (line, column) = _parser.Current is { } current ? ((int)current.End.Line, (int)current.End.Column) : (1, 1);
            throw new YamlReadException(line, column, "not readable as YAML from here on; a bracket, brace or quote may not be closed");
        }
    }

    private static string Clean(string message)
    {
        // YamlDotNet puts the place in front of some messages; ours say it once.
        var end = message.IndexOf("): ", StringComparison.Ordinal);
        return message.StartsWith("(Line", StringComparison.Ordinal) && end > 0 ? message[(end + 3)..] : message;
    }

    private static bool IsUntyped(TagName tag) => tag.IsEmpty || tag.IsNonSpecific || LocalTag(tag) is not null;

    private static string? LocalTag(TagName tag) =>
        !tag.IsEmpty && !tag.IsNonSpecific && tag.Value.Length > 1 && tag.Value[0] == '!' ? tag.Value[1..] : null;
}
