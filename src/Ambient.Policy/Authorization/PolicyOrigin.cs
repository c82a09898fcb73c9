using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Authorization;

/// <summary>What policies of a place follow from besides the policies themselves: how they are read, and which of them apply.</summary>
internal sealed class PolicyOrigin
{
    private readonly string _trustDomain;
    private readonly ImmutableArray<string> _trustDomainAliases;
    private readonly object?[] _place;

    internal PolicyOrigin(RequestConfiguration configuration, int forwardedHops, params object?[] place)
    {
        _trustDomain = configuration.TrustDomain;
        _trustDomainAliases = configuration.TrustDomainAliases;
        ForwardedHops = forwardedHops;
        _place = [configuration.RootNamespace, .. place];
    }

    /// <summary>Which of the addresses in X-Forwarded-For is the client's.</summary>
    internal int ForwardedHops { get; }

    /// <summary>Whether a policy means the same there.</summary>
    internal bool ReadsAs(PolicyOrigin other) => ForwardedHops == other.ForwardedHops && _trustDomain == other._trustDomain
        && _trustDomainAliases.AsSpan().SequenceEqual(other._trustDomainAliases.AsSpan());

    /// <summary>Whether the same policies apply there.</summary>
    internal bool IsSamePlace(PolicyOrigin other) => _place.AsSpan().SequenceEqual(other._place);
}
