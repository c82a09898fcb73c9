namespace Ambient.Node.Discovery.Documents;

/// <summary>
/// Gathers the entries of one mapping. Merge keys are written out as Kubernetes' reader does it: a key of the mapping
/// itself goes before a merged one, an earlier merged mapping before a later one.
/// </summary>
internal sealed class YamlEntries
{
    private readonly List<KeyValuePair<YamlScalar, YamlNode>> _entries = [];
    private List<YamlMapping>? _merged;
    private List<YamlProblem>? _problems;
    private Dictionary<string, int>? _index;

    /// <summary>Adds an entry. Of a key that appears twice the last value counts, which is noted as a problem.</summary>
    public void Add(YamlScalar key, YamlNode value)
    {
        var existing = IndexOf(key.Value);
        if (existing >= 0)
        {
            Problem(key, $"the key \"{key.Value}\" appears twice");
            _entries[existing] = new(key, value);
            return;
        }

        _index?.Add(key.Value, _entries.Count);
        _entries.Add(new(key, value));
    }

    /// <summary>Notes the value of a merge key: a mapping, or a list of mappings.</summary>
    public void Merge(YamlScalar key, YamlNode value)
    {
        switch (value)
        {
            case YamlMapping mapping:
                (_merged ??= []).Add(mapping);
                break;
            case YamlSequence list when list.Items.TrueForAll(static item => item is YamlMapping):
                (_merged ??= []).AddRange(list.Items.Cast<YamlMapping>());
                break;
            default:
                Problem(key, $"<< merges an object or a list of objects; found {value.Describe()}");
                break;
        }
    }

    /// <summary>Notes a problem at a node.</summary>
    public void Problem(YamlNode at, string message) => (_problems ??= []).Add(new YamlProblem(at.Line, at.Column, message));

    /// <summary>The mapping, written out.</summary>
    public YamlMapping Build(int line, int column)
    {
        foreach (var mapping in _merged ?? [])
        {
            foreach (var (key, value) in mapping.Entries)
            {
                if (IndexOf(key.Value) < 0)
                {
                    _index?.Add(key.Value, _entries.Count);
                    _entries.Add(new(key, value));
                }
            }

            if (mapping.Problems.Count > 0)
            {
                (_problems ??= []).AddRange(mapping.Problems);
            }
        }

        return new YamlMapping(_entries, line, column, _problems);
    }

    private int IndexOf(string key)
    {
        // Small mappings are scanned; an index is made only where scanning would become quadratic.
        if (_index is null)
        {
            if (_entries.Count < 16)
            {
                return _entries.FindIndex(entry => entry.Key.Value == key);
            }

            _index = new Dictionary<string, int>(StringComparer.Ordinal);
            for (var i = 0; i < _entries.Count; i++)
            {
                _index.Add(_entries[i].Key.Value, i);
            }
        }

        return _index.GetValueOrDefault(key, -1);
    }
}
