using System.Collections.Immutable;
using System.Net;
using Ambient.Identity;

namespace Ambient.Hbone.Pooling;

/// <summary>
/// What makes connections interchangeable: who we are, whom we accept (in order), where to, and on whose behalf
/// (docs/protocol.md, "HTTP/2").
/// </summary>
internal sealed class HboneKey(SpiffeId source, ImmutableArray<SpiffeId> accepted, IPEndPoint destination, IPAddress? sourceAddress) : IEquatable<HboneKey>
{
    public SpiffeId Source { get; } = source;

    public ImmutableArray<SpiffeId> Accepted { get; } = accepted.IsDefault ? [] : accepted;

    public IPEndPoint Destination { get; } = destination;

    public IPAddress? SourceAddress { get; } = sourceAddress;

    public bool Equals(HboneKey? other) =>
        other is not null
        && Destination.Equals(other.Destination)
        && Source.Equals(other.Source)
        && Equals(SourceAddress, other.SourceAddress)
        && Accepted.AsSpan().SequenceEqual(other.Accepted.AsSpan());

    public override bool Equals(object? obj) => Equals(obj as HboneKey);

    public override int GetHashCode()
    {
        var hash = default(HashCode);
        hash.Add(Source);
        hash.Add(Destination);
        hash.Add(SourceAddress);
        foreach (var id in Accepted)
        {
            hash.Add(id);
        }

        return hash.ToHashCode();
    }
}
