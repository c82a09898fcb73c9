using System.Collections.Immutable;
using System.Security.Cryptography;
using Ambient.Identity;
using Ambient.Node.Protos.Spiffe;
using Google.Protobuf;

namespace Ambient.Node.Authorities;

/// <summary>
/// The SVIDs of a Workload API's answer, by identity. One that cannot be used does not take the others with it, and leaves the one before it
/// in use. An SVID that is the same as before stays the same object.
/// </summary>
/// <param name="ById">Identities and their SVIDs.</param>
/// <param name="Refused">What was not taken, and why.</param>
internal sealed record WorkloadApiSvids(ImmutableDictionary<SpiffeId, WorkloadApiSvids.Given> ById, ImmutableArray<WorkloadApiSvids.Refusal> Refused)
{
    // An agent gives a handful of SVIDs to a workload, and a node's proxy has a few hundred workloads; an answer with more than this is not believed.
    private const int Most = 10_000;

    /// <summary>No SVIDs: none yet, or none any more.</summary>
    public static WorkloadApiSvids None { get; } = new(ImmutableDictionary<SpiffeId, Given>.Empty, []);

    /// <summary>An SVID, and a digest of all that it was made of.</summary>
    /// <param name="Svid">The SVID.</param>
    /// <param name="Digest">Digest.</param>
    public sealed record Given(X509Svid Svid, ImmutableArray<byte> Digest);

    /// <summary>An SVID, or an answer, that was not taken.</summary>
    /// <param name="Id">Identity that it would have been of; null when that is not known.</param>
    /// <param name="Reason">Why, for a person.</param>
    public readonly record struct Refusal(SpiffeId? Id, string Reason);

    /// <summary>
    /// Reads an answer, which replaces the previous one as a whole: what it lacks was withdrawn (SPIFFE Workload API, section 5.2.1). An
    /// answer without SVIDs is invalid (section 4.5): an agent that has nothing to give says so with a status.
    /// </summary>
    public static WorkloadApiSvids Read(X509SVIDResponse response, WorkloadApiSvids before, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(response);
        ArgumentNullException.ThrowIfNull(before);
        if (response.Svids.Count is 0 or > Most)
        {
            return before with { Refused = [new(null, $"an answer with {response.Svids.Count} SVIDs, where 1 to {Most} are expected")] };
        }

        var given = ImmutableDictionary.CreateBuilder<SpiffeId, Given>();
        var refused = ImmutableArray.CreateBuilder<Refusal>();

        // They usually all come with the same roots.
        var bundles = new Dictionary<ByteString, TrustBundle>();
        foreach (var svid in response.Svids)
        {
            SpiffeId? id = null;
            try
            {
                id = SpiffeId.Parse(svid.SpiffeId);

                // The first one is used (section 5.3): several SVIDs of one identity differ in their hints.
                if (!given.ContainsKey(id))
                {
                    given[id] = Take(id, svid, before, bundles, now);
                }
            }
            catch (FormatException e)
            {
                refused.Add(new(id, id is null ? e.Message : $"SVID of {id}: {e.Message}"));
            }
        }

        foreach (var refusal in refused)
        {
            if (refusal.Id is { } id && !given.ContainsKey(id) && before.ById.TryGetValue(id, out var last) && last.Svid.NotAfter > now)
            {
                given[id] = last;
            }
        }

        return new WorkloadApiSvids(given.ToImmutable(), refused.DrainToImmutable());
    }

    /// <summary>Identities whose SVID differs from the one in <paramref name="before"/>.</summary>
    public ImmutableArray<SpiffeId> ChangedSince(WorkloadApiSvids before) =>
        [.. ById.Where(pair => !before.ById.TryGetValue(pair.Key, out var known) || !ReferenceEquals(known, pair.Value)).Select(pair => pair.Key)];

    /// <summary>Identities that have an SVID in <paramref name="before"/> and none here.</summary>
    public ImmutableArray<SpiffeId> MissingSince(WorkloadApiSvids before) => [.. before.ById.Keys.Where(id => !ById.ContainsKey(id))];

    private static Given Take(SpiffeId id, X509SVID svid, WorkloadApiSvids before, Dictionary<ByteString, TrustBundle> bundles, DateTimeOffset now)
    {
        var digest = Digest(svid);
        var given = before.ById.TryGetValue(id, out var known) && known.Digest.AsSpan().SequenceEqual(digest.AsSpan())
            ? known
            : new Given(Make(id, svid, bundles), digest);
        return given.Svid.NotAfter > now ? given : throw new FormatException($"its certificate ended at {given.Svid.NotAfter:u}; is this machine's clock right?");
    }

    private static X509Svid Make(SpiffeId id, X509SVID svid, Dictionary<ByteString, TrustBundle> bundles)
    {
        if (!bundles.TryGetValue(svid.Bundle, out var roots))
        {
            roots = bundles[svid.Bundle] = RootsOf(svid.Bundle);
        }

        var made = X509Svid.FromDer(svid.X509Svid.Span, svid.X509SvidKey.Span, roots);
        return made.Id.Equals(id) ? made : throw new FormatException($"its certificate is for {made.Id}");
    }

    private static TrustBundle RootsOf(ByteString bundle)
    {
        try
        {
            return TrustBundle.FromDer(bundle.Span);
        }
        catch (FormatException e)
        {
            throw new FormatException($"its roots cannot be read: {e.Message}", e);
        }
    }

    private static ImmutableArray<byte> Digest(X509SVID svid)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> length = stackalloc byte[4];
        foreach (var part in (ReadOnlySpan<ByteString>)[svid.X509Svid, svid.X509SvidKey, svid.Bundle])
        {
            BitConverter.TryWriteBytes(length, part.Length);
            hash.AppendData(length);
            hash.AppendData(part.Span);
        }

        return [.. hash.GetHashAndReset()];
    }
}
