using Ambient.Mesh;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Kinds;

/// <summary>What one load has that is known and not supported here, by kind and field.</summary>
internal sealed class UnsupportedUses
{
    private readonly Dictionary<(string Kind, string Field), UnsupportedConfiguration> _uses = [];
    private ObjectMeta? _last;
    private readonly HashSet<(string Kind, string Field)> _ofLast = [];

    /// <summary>Each kind and field, once.</summary>
    public IReadOnlyList<UnsupportedConfiguration> All =>
        [.. _uses.Values.OrderBy(use => use.Kind, StringComparer.Ordinal).ThenBy(use => use.Field, StringComparer.Ordinal)];

    /// <summary>Counts an object that has it; a field that it has several times counts once.</summary>
    public void Add(string kind, string field, ObjectMeta meta)
    {
        if (!ReferenceEquals(_last, meta))
        {
            _last = meta;
            _ofLast.Clear();
        }

        if (!_ofLast.Add((kind, field)))
        {
            return;
        }

        _uses[(kind, field)] = _uses.TryGetValue((kind, field), out var use)
            ? use with { Count = use.Count + 1 }
            : new UnsupportedConfiguration(kind, field, 1, meta.Key, meta.Place.ToString());
    }
}
