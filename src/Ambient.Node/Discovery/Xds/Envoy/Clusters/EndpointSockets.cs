using System.Collections.Immutable;

namespace Ambient.Node.Discovery.Xds.Envoy.Clusters;

/// <summary>How an endpoint is spoken to.</summary>
internal enum EndpointSocket
{
    /// <summary>As the cluster says for everybody.</summary>
    General,

    /// <summary>In the mesh's own TLS, as its sidecar has it.</summary>
    Sidecar,

    /// <summary>In a way that cannot be made: nothing is sent to it.</summary>
    Unserved,
}

/// <summary>Sockets of a cluster by what its endpoints say of themselves, in the order in which they are tried, and that of those whom none is for.</summary>
internal sealed class EndpointSockets : IEquatable<EndpointSockets>
{
    private readonly ImmutableArray<(ImmutableArray<string> Labels, EndpointSocket Socket)> _choices;
    private readonly EndpointSocket _rest;
    private readonly string _text;

    /// <summary>Creates it.</summary>
    /// <param name="choices">Labels that an endpoint must have, as <c>name=value</c>, and how it is spoken to then.</param>
    /// <param name="rest">How those are spoken to that have the labels of no choice.</param>
    public EndpointSockets(ImmutableArray<(ImmutableArray<string> Labels, EndpointSocket Socket)> choices, EndpointSocket rest)
    {
        (_choices, _rest) = (choices, rest);
        _text = string.Join('\n', choices.Select(static choice => $"{string.Join('\t', choice.Labels)} {choice.Socket}").Append(rest.ToString()));
    }

    /// <summary>One socket for all.</summary>
    public static EndpointSockets None { get; } = new([], EndpointSocket.General);

    /// <summary>How an endpoint with these labels is spoken to, if not through a tunnel.</summary>
    /// <param name="labels">Labels, a line each.</param>
    public EndpointSocket Of(string labels)
    {
        if (_choices.IsEmpty)
        {
            return _rest;
        }

        var own = labels.Split('\n');
        foreach (var (wanted, socket) in _choices)
        {
            if (wanted.All(own.Contains))
            {
                return socket;
            }
        }

        return _rest;
    }

    /// <inheritdoc/>
    public bool Equals(EndpointSockets? other) => other is not null && _text == other._text;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as EndpointSockets);

    /// <inheritdoc/>
    public override int GetHashCode() => _text.GetHashCode(StringComparison.Ordinal);
}
