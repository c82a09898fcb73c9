using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf.WellKnownTypes;

namespace Ambient.Node.Discovery.Xds.Envoy.Listeners;

/// <summary>
/// Which chain a destination leads to, from the tree that a waypoint's listener looks it up in. A branch that is not understood leads nowhere.
/// </summary>
internal sealed class DestinationReader
{
    private const int Deepest = 16;

    private readonly Problems _problems;
    private readonly ImmutableArray<ChainDestination>.Builder _found = ImmutableArray.CreateBuilder<ChainDestination>();

    private DestinationReader(Problems problems) => _problems = problems;

    /// <summary>Reads a tree.</summary>
    public static ImmutableArray<ChainDestination> Read(Matcher matcher, Problems problems)
    {
        var reader = new DestinationReader(problems);
        reader.Read(matcher, [], null, Deepest);
        return reader._found.ToImmutable();
    }

    private void Read(Matcher.Types.OnMatch? match, ImmutableArray<IPNetwork> ranges, int? port, int depth)
    {
        switch (match?.OnMatchCase)
        {
            case Matcher.Types.OnMatch.OnMatchOneofCase.Matcher when depth > 0:
                Read(match.Matcher, ranges, port, depth - 1);
                break;
            case Matcher.Types.OnMatch.OnMatchOneofCase.Action when match.Action.TypedConfig?.TypeUrl == EnvoyTypes.Text:
                _found.Add(new ChainDestination(ranges, port, StringValue.Parser.ParseFrom(match.Action.TypedConfig.Value).Value));
                break;
            case null:
                break;
            default:
                Unknown("a branch that is not known");
                break;
        }
    }

    private void Read(Matcher matcher, ImmutableArray<IPNetwork> ranges, int? port, int depth)
    {
        if (matcher.MatcherTree is { } tree)
        {
            Read(tree, ranges, port, depth);
        }

        Read(matcher.OnNoMatch, ranges, port, depth);
    }

    private void Read(Matcher.Types.MatcherTree tree, ImmutableArray<IPNetwork> ranges, int? port, int depth)
    {
        switch (tree.TreeTypeCase, tree.Input?.TypedConfig?.TypeUrl)
        {
            case (Matcher.Types.MatcherTree.TreeTypeOneofCase.CustomMatch, EnvoyTypes.DestinationIP) when tree.CustomMatch.TypedConfig?.TypeUrl == EnvoyTypes.IPMatcher:
                var addressed = Strict.Read(IPMatcher.Parser, tree.CustomMatch.TypedConfig.Value, out var isWhole);
                if (!isWhole)
                {
                    // A range without its length is every address.
                    Unknown("a field of its addresses that is not known");
                    break;
                }

                foreach (var branch in addressed.RangeMatchers)
                {
                    var addresses = ImmutableArray.CreateBuilder<IPNetwork>();
                    foreach (var range in branch.Ranges)
                    {
                        if (Texts.TryRange(range.AddressPrefix, range.PrefixLen, out var network))
                        {
                            addresses.Add(network.Value);
                        }
                    }

                    Read(branch.OnMatch, addresses.ToImmutable(), port, depth);
                }

                break;
            case (Matcher.Types.MatcherTree.TreeTypeOneofCase.ExactMatchMap, EnvoyTypes.DestinationPort):
                foreach (var (key, match) in Entries(tree))
                {
                    if (int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
                    {
                        Read(match, ranges, number, depth);
                    }
                }

                break;
            case (Matcher.Types.MatcherTree.TreeTypeOneofCase.ExactMatchMap, EnvoyTypes.ApplicationProtocol):
                foreach (var (_, match) in Entries(tree))
                {
                    Read(match, ranges, port, depth);
                }

                break;
            case (Matcher.Types.MatcherTree.TreeTypeOneofCase.ExactMatchMap, EnvoyTypes.FilterState):
                // Names lead to chains that addresses lead to as well, or to none that has an address: the chain's own name says the service and port.
                foreach (var (_, match) in Entries(tree))
                {
                    Read(match, [], port, depth);
                }

                break;
            default:
                Unknown($"a question that is not known ({EnvoyTypes.Short(tree.Input?.TypedConfig?.TypeUrl ?? "none")})");
                break;
        }
    }

    /// <summary>Entries in the order of their keys: that in which they came means nothing, and is another each time.</summary>
    private static IOrderedEnumerable<KeyValuePair<string, Matcher.Types.OnMatch>> Entries(Matcher.Types.MatcherTree tree) =>
        tree.ExactMatchMap.Map.OrderBy(static entry => entry.Key, StringComparer.Ordinal);

    private void Unknown(string what) => _problems.Add("the lookup of services", what);
}
