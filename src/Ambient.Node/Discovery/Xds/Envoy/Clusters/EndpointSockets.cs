using System.Collections.Immutable;

namespace Ambient.Node.Discovery.Xds.Envoy.Clusters;

/// <summary>Sockets of a cluster by what its endpoints say of themselves, in the order in which they are tried. Whom none is for, the cluster's own is.</summary>
internal sealed class EndpointSockets : IEquatable<EndpointSockets>
{
    private readonly ImmutableArray<(ImmutableArray<string> Labels, bool IsServed)> _choices;
    private readonly string _text;

    /// <summary>Creates it.</summary>
    /// <param name="choices">Labels that an endpoint must have, as <c>name=value</c>, and whether it can be reached then.</param>
    public EndpointSockets(ImmutableArray<(ImmutableArray<string> Labels, bool IsServed)> choices)
    {
        _choices = choices;
        _text = string.Join('\n', choices.Select(static choice => $"{string.Join('\t', choice.Labels)} {choice.IsServed}"));
    }

    /// <summary>One socket for all.</summary>
    public static EndpointSockets None { get; } = new([]);

    /// <summary>Whether an endpoint with these labels can be reached.</summary>
    /// <param name="labels">Labels, a line each.</param>
    public bool Serves(string labels)
    {
        if (_choices.IsEmpty)
        {
            return true;
        }

        var own = labels.Split('\n');
        foreach (var (wanted, isServed) in _choices)
        {
            if (wanted.All(own.Contains))
            {
                return isServed;
            }
        }

        return true;
    }

    /// <inheritdoc/>
    public bool Equals(EndpointSockets? other) => other is not null && _text == other._text;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as EndpointSockets);

    /// <inheritdoc/>
    public override int GetHashCode() => _text.GetHashCode(StringComparison.Ordinal);
}
