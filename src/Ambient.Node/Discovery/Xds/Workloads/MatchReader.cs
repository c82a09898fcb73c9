using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;
using Google.Protobuf.Collections;
using Wire = Ambient.Node.Protos.Security;

namespace Ambient.Node.Discovery.Xds.Workloads;

/// <summary>
/// Reads one match of a policy. The reference leaves out a value that it cannot read, and what is left may match more than was written,
/// or less. Here doubt denies: a match that allows is narrowed (nothing matches what only the unreadable value could have let in), a match
/// that denies is widened (everything is denied that the value might have denied).
/// </summary>
internal sealed class MatchReader(Wire.Match wire, bool denies)
{
    private static readonly ImmutableArray<IPNetwork> s_everywhere = [new(IPAddress.Any, 0), new(IPAddress.IPv6Any, 0)];
    private static readonly ImmutableArray<StringMatch> s_anyText = [new(StringMatchKind.Presence, "")];
    private bool _never;
    private bool _widened;

    /// <summary>The match.</summary>
    public PolicyMatch Read()
    {
        var match = new PolicyMatch
        {
            Namespaces = Positive(wire.Namespaces, Text, s_anyText),
            NotNamespaces = Negated(wire.NotNamespaces, Text),
            Principals = Positive(wire.Principals, Text, s_anyText),
            NotPrincipals = Negated(wire.NotPrincipals, Text),
            ServiceAccounts = [.. wire.ServiceAccounts.Select(Account)],
            NotServiceAccounts = [.. wire.NotServiceAccounts.Select(Account)],
            SourceIPs = Positive(wire.SourceIps, Range, s_everywhere),
            NotSourceIPs = Negated(wire.NotSourceIps, Range),
            DestinationIPs = Positive(wire.DestinationIps, Range, s_everywhere),
            NotDestinationIPs = Negated(wire.NotDestinationIps, Range),
            DestinationPorts = Positive(wire.DestinationPorts, Port, []),
            NotDestinationPorts = Negated(wire.NotDestinationPorts, Port),
        };

        // A match without any field never matches: what was widened until nothing was left has to be said in another way.
        return _never ? new PolicyMatch()
            : _widened && match.Equals(new PolicyMatch()) ? match with { DestinationIPs = s_everywhere }
            : match;
    }

    /// <summary>One of these must be hit.</summary>
    private ImmutableArray<TModel> Positive<TWire, TModel>(RepeatedField<TWire> values, Func<TWire, TModel?> read, ImmutableArray<TModel> everything)
        where TModel : struct
    {
        var (readable, lost) = ReadAll(values, read);
        if (!lost)
        {
            return readable;
        }

        if (denies)
        {
            _widened = true;
            return everything;
        }

        _never |= readable.IsEmpty;
        return readable;
    }

    /// <summary>None of these may be hit.</summary>
    private ImmutableArray<TModel> Negated<TWire, TModel>(RepeatedField<TWire> values, Func<TWire, TModel?> read)
        where TModel : struct
    {
        var (readable, lost) = ReadAll(values, read);
        _widened |= lost;
        _never |= lost && !denies;
        return readable;
    }

    private static (ImmutableArray<TModel> Readable, bool Lost) ReadAll<TWire, TModel>(RepeatedField<TWire> values, Func<TWire, TModel?> read)
        where TModel : struct
    {
        if (values.Count == 0)
        {
            return ([], false);
        }

        var readable = ImmutableArray.CreateBuilder<TModel>(values.Count);
        foreach (var value in values)
        {
            if (read(value) is { } model)
            {
                readable.Add(model);
            }
        }

        var lost = readable.Count < values.Count;
        return (readable.DrainToImmutable(), lost);
    }

    private static StringMatch? Text(Wire.StringMatch value) => value.MatchTypeCase switch
    {
        Wire.StringMatch.MatchTypeOneofCase.Exact => new StringMatch(StringMatchKind.Exact, value.Exact),
        Wire.StringMatch.MatchTypeOneofCase.Prefix => new StringMatch(StringMatchKind.Prefix, value.Prefix),
        Wire.StringMatch.MatchTypeOneofCase.Suffix => new StringMatch(StringMatchKind.Suffix, value.Suffix),
        Wire.StringMatch.MatchTypeOneofCase.Presence => new StringMatch(StringMatchKind.Presence, ""),
        _ => null,
    };

    private static IPNetwork? Range(Wire.Address value) =>
        value.Address_.Length is 4 or 16 && value.Length <= value.Address_.Length * 8
            ? AddressRange.Of(new IPAddress(value.Address_.Span), (int)value.Length)
            : null;

    private static int? Port(uint value) => value <= ushort.MaxValue ? (int)value : null;

    private static ServiceAccountMatch Account(Wire.ServiceAccountMatch value) => new(value.Namespace, value.ServiceAccount);
}
