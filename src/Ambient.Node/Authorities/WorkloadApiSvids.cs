using System.Collections.Immutable;
using System.Security.Cryptography;
using Ambient.Identity;
using Ambient.Node.Protos.Spiffe;
using Google.Protobuf;

namespace Ambient.Node.Authorities;

/// <summary>
/// The SVIDs of a Workload API's answer, by identity. One that cannot be read is left out, and does not take the others with it. An SVID that
/// is the same as before stays the same object.
/// </summary>
/// <param name="ById">Identities and their SVIDs.</param>
/// <param name="Refused">What was left out, and why.</param>
internal sealed record WorkloadApiSvids(ImmutableDictionary<SpiffeId, WorkloadApiSvids.Given> ById, ImmutableArray<string> Refused)
{
    // An agent gives a handful to a workload; more than this is no agent.
    private const int Most = 10_000;

    /// <summary>Nothing yet.</summary>
    public static WorkloadApiSvids None { get; } = new(ImmutableDictionary<SpiffeId, Given>.Empty, []);

    /// <summary>An SVID, and a digest of all that it was made of.</summary>
    /// <param name="Svid">The SVID.</param>
    /// <param name="Digest">Digest.</param>
    public sealed record Given(X509Svid Svid, ImmutableArray<byte> Digest);

    /// <summary>Reads an answer, which replaces the one before it whole.</summary>
    public static WorkloadApiSvids Read(X509SVIDResponse response, WorkloadApiSvids before)
    {
        ArgumentNullException.ThrowIfNull(response);
        ArgumentNullException.ThrowIfNull(before);
        var given = ImmutableDictionary.CreateBuilder<SpiffeId, Given>();
        var refused = ImmutableArray.CreateBuilder<string>();
        if (response.Svids.Count > Most)
        {
            return before with { Refused = [$"the answer has {response.Svids.Count} SVIDs, more than {Most}: none of it is used"] };
        }

        for (var i = 0; i < response.Svids.Count; i++)
        {
            var svid = response.Svids[i];
            try
            {
                var id = SpiffeId.Parse(svid.SpiffeId);
                var digest = Digest(svid);
                var entry = before.ById.TryGetValue(id, out var known) && known.Digest.AsSpan().SequenceEqual(digest.AsSpan()) ? known : new Given(Make(id, svid), digest);

                // The first is the one to be used (SPIFFE Workload API, section 5.2.1): several with one identity differ by their hints.
                given.TryAdd(id, entry);
            }
            catch (FormatException e)
            {
                refused.Add($"SVID {i + 1} ({Printable(svid.SpiffeId)}): {e.Message}");
            }
        }

        return new WorkloadApiSvids(given.ToImmutable(), refused.DrainToImmutable());
    }

    /// <summary>Identities for which this has another SVID than <paramref name="before"/>.</summary>
    public IEnumerable<SpiffeId> ChangedSince(WorkloadApiSvids before) =>
        ById.Where(pair => !before.ById.TryGetValue(pair.Key, out var known) || !ReferenceEquals(known, pair.Value)).Select(pair => pair.Key);

    private static X509Svid Make(SpiffeId id, X509SVID svid)
    {
        if (svid.Bundle.IsEmpty)
        {
            throw new FormatException("it comes without roots");
        }

        var made = X509Svid.FromDer(svid.X509Svid.Span, svid.X509SvidKey.Span, TrustBundle.FromDer(svid.Bundle.Span));
        return made.Id.Equals(id) ? made : throw new FormatException($"its certificate is for {made.Id}");
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

    private static string Printable(string text) =>
        string.Concat((text.Length > 128 ? text[..128] + "..." : text).Select(c => c is < ' ' or > '~' ? '?' : c));
}
