using System.Collections.Immutable;

namespace Ambient.Identity;

/// <summary>Which peers are accepted: a closed set of kinds, made only by the factories below.</summary>
public abstract class SpiffeIdMatcher
{
    private SpiffeIdMatcher()
    {
    }

    /// <summary>Accepts every valid SPIFFE ID that the roots vouch for. For tools; a mesh names its peers.</summary>
    public static SpiffeIdMatcher Any { get; } = new AnyMatcher();

    /// <summary>Accepts one ID.</summary>
    public static SpiffeIdMatcher Exactly(SpiffeId id)
    {
        ArgumentNullException.ThrowIfNull(id);
        return new OneOfMatcher([id]);
    }

    /// <summary>Accepts the IDs of a set. An empty set accepts nobody.</summary>
    public static SpiffeIdMatcher OneOf(ImmutableArray<SpiffeId> ids) => new OneOfMatcher(ids.IsDefault ? [] : ids);

    /// <summary>Accepts every ID of a trust domain.</summary>
    public static SpiffeIdMatcher MemberOf(TrustDomain trustDomain) => new MemberOfMatcher(trustDomain);

    /// <summary>Accepts every ID of any of the trust domains.</summary>
    public static SpiffeIdMatcher MemberOf(ImmutableArray<TrustDomain> trustDomains) => new MemberOfAnyMatcher(trustDomains.IsDefault ? [] : trustDomains);

    /// <summary>Whether an ID is accepted.</summary>
    public abstract bool Matches(SpiffeId id);

    /// <summary>Who is accepted, for a log line.</summary>
    public abstract override string ToString();

    private sealed class AnyMatcher : SpiffeIdMatcher
    {
        public override bool Matches(SpiffeId id) => true;

        public override string ToString() => "any SPIFFE ID";
    }

    private sealed class OneOfMatcher(ImmutableArray<SpiffeId> ids) : SpiffeIdMatcher
    {
        // Sets are small (a workload and a few service SANs): a scan beats a hash set and allocates nothing.
        public override bool Matches(SpiffeId id)
        {
            foreach (var accepted in ids)
            {
                if (accepted.Equals(id))
                {
                    return true;
                }
            }

            return false;
        }

        public override string ToString() => ids.Length switch
        {
            0 => "nobody (the accepted set is empty)",
            1 => ids[0].ToString(),
            _ => "one of " + string.Join(", ", ids),
        };
    }

    private sealed class MemberOfMatcher(TrustDomain trustDomain) : SpiffeIdMatcher
    {
        public override bool Matches(SpiffeId id) => id.IsMemberOf(trustDomain);

        public override string ToString() => $"any member of trust domain {trustDomain.Name}";
    }

    private sealed class MemberOfAnyMatcher(ImmutableArray<TrustDomain> trustDomains) : SpiffeIdMatcher
    {
        public override bool Matches(SpiffeId id)
        {
            foreach (var trustDomain in trustDomains)
            {
                if (id.IsMemberOf(trustDomain))
                {
                    return true;
                }
            }

            return false;
        }

        public override string ToString() => $"any member of the trust domains {string.Join(", ", trustDomains.Select(trustDomain => trustDomain.Name))}";
    }
}
