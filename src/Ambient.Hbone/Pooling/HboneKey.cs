using System.Collections.Immutable;
using System.Net;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Sockets;
using Ambient.Identity;

namespace Ambient.Hbone.Pooling;

/// <summary>
/// What makes connections interchangeable: who we are, whom we accept (in order), where to, and on whose behalf
/// (docs/protocol.md, "HTTP/2").
/// </summary>
/// <param name="source">Who we are.</param>
/// <param name="accepted">Whom we accept.</param>
/// <param name="domains">Of which trust domains everybody is accepted, where <paramref name="accepted"/> is empty.</param>
/// <param name="destination">Where to.</param>
/// <param name="sourceAddress">On whose behalf.</param>
/// <param name="loop">The loop that alone serves such connections; null: any.</param>
internal sealed class HboneKey(SpiffeId source, ImmutableArray<SpiffeId> accepted, ImmutableArray<TrustDomain> domains, IPEndPoint destination, IPAddress? sourceAddress, EventLoop? loop = null) : IEquatable<HboneKey>
{
    public EventLoop? Loop { get; } = loop;

    public SpiffeId Source { get; } = source;

    public ImmutableArray<SpiffeId> Accepted { get; } = accepted.IsDefault ? [] : accepted;

    public ImmutableArray<TrustDomain> Domains { get; } = domains.IsDefault ? [] : domains;

    public SpiffeIdMatcher Matcher => HboneConnectRequest.Matcher(Accepted, Domains);

    public IPEndPoint Destination { get; } = destination;

    public IPAddress? SourceAddress { get; } = sourceAddress;

    public bool Equals(HboneKey? other) =>
        other is not null
        && Destination.Equals(other.Destination)
        && Source.Equals(other.Source)
        && ReferenceEquals(Loop, other.Loop)
        && Equals(SourceAddress, other.SourceAddress)
        && Accepted.AsSpan().SequenceEqual(other.Accepted.AsSpan())
        && Domains.AsSpan().SequenceEqual(other.Domains.AsSpan());

    public override bool Equals(object? obj) => Equals(obj as HboneKey);

    public override int GetHashCode()
    {
        var hash = default(HashCode);
        hash.Add(Source);
        hash.Add(Destination);
        hash.Add(SourceAddress);
        hash.Add(Loop);
        foreach (var id in Accepted)
        {
            hash.Add(id);
        }

        return hash.ToHashCode();
    }
}
