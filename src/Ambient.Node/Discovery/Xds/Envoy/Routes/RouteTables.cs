using System.Collections.Immutable;
using System.Text.RegularExpressions;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf;

namespace Ambient.Node.Discovery.Xds.Envoy.Routes;

/// <summary>Rules of one route configuration, by virtual host, in the order in which hosts are looked at: the most specific first.</summary>
/// <param name="Hosts">Virtual hosts.</param>
/// <param name="Hashes">What requests to clusters hash by, where a rule says so.</param>
/// <param name="Unknown">Why none of it may be served; null: it may.</param>
internal sealed record RouteTable(ImmutableArray<RouteHost> Hosts, ImmutableDictionary<string, ConsistentHash> Hashes, string? Unknown)
{
    /// <summary>Whether both are equal, collections by content.</summary>
    public bool Equals(RouteTable? other) =>
        other is not null && Unknown == other.Unknown && Hosts.AsSpan().SequenceEqual(other.Hosts.AsSpan())
        && Hashes.Count == other.Hashes.Count && Hashes.All(entry => other.Hashes.TryGetValue(entry.Key, out var hash) && hash == entry.Value);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Hosts.Length, Hashes.Count, Unknown);
}

/// <summary>A virtual host.</summary>
/// <param name="Domains">Host names, <c>*</c> for any, <c>*.x</c> for the end of one.</param>
/// <param name="Rules">Rules in their order.</param>
/// <param name="RequiresTls">Whether requests in clear are sent to https.</param>
internal sealed record RouteHost(ImmutableArray<string> Domains, ImmutableArray<TrafficRule> Rules, bool RequiresTls)
{
    /// <summary>Whether both are equal, collections by content.</summary>
    public bool Equals(RouteHost? other) =>
        other is not null && RequiresTls == other.RequiresTls
        && Domains.AsSpan().SequenceEqual(other.Domains.AsSpan()) && Rules.AsSpan().SequenceEqual(other.Rules.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Domains.Length, Rules.Length, RequiresTls);
}

/// <summary>Reads route configurations.</summary>
internal static class RouteTables
{
    /// <summary>Reads one that comes by its name.</summary>
    /// <exception cref="InvalidProtocolBufferException">The bytes are no route configuration.</exception>
    /// <exception cref="InvalidDataException">It calls itself otherwise.</exception>
    public static RouteTable ReadNamed(string name, ReadOnlySpan<byte> bytes, Problems problems)
    {
        ResourceNames.Same(name, RouteConfiguration.Parser.ParseFrom(bytes).Name);
        return Read(bytes, name, problems);
    }

    /// <summary>Reads one.</summary>
    /// <param name="bytes">Its bytes.</param>
    /// <param name="where">Where it is, for people.</param>
    /// <param name="problems">Takes what is not understood.</param>
    /// <exception cref="InvalidProtocolBufferException">The bytes are no route configuration.</exception>
    public static RouteTable Read(ReadOnlySpan<byte> bytes, string where, Problems problems)
    {
        var wire = Strict.Read(RouteConfiguration.Parser, bytes, out var isWhole);
        RouteNotes.Add(wire, where, problems);
        var unknown = isWhole ? null : problems.Add(where, "its routes have a field that is not known");
        var hashes = ImmutableDictionary.CreateBuilder<string, ConsistentHash>(StringComparer.Ordinal);
        var hosts = ImmutableArray.CreateBuilder<RouteHost>(wire.VirtualHosts.Count);
        foreach (var host in wire.VirtualHosts)
        {
            if (host.Domains.Count == 0)
            {
                unknown ??= problems.Add(where, $"the virtual host {host.Name} is for no domain");
                continue;
            }

            hosts.Add(new RouteHost(
                [.. host.Domains],
                [.. host.Routes.Select(route => Read(route, where, hashes, problems))],
                host.RequireTls != VirtualHost.Types.TlsRequirementType.None));
        }

        return new RouteTable([.. hosts.OrderByDescending(host => host.Domains.Max(Specificity))], hashes.ToImmutable(), unknown);
    }

    /// <summary>A route; one that cannot be read answers with an error, and no later one takes its requests.</summary>
    private static TrafficRule Read(ByteString route, string where, ImmutableDictionary<string, ConsistentHash>.Builder hashes, Problems problems)
    {
        try
        {
            return RouteReader.Read(route, where, hashes, problems);
        }
        catch (Exception e) when (Faults.IsOfBytes(e))
        {
            return Unserved(problems.Add($"{where} route", $"it cannot be read: {e.Message}"));
        }
    }

    /// <summary>
    /// Rules of a table for one port of a service: where it has more hosts than any, a request that belongs to one of them is answered by no
    /// other.
    /// </summary>
    public static IEnumerable<TrafficRule> ForPort(RouteTable table, int port)
    {
        foreach (var host in table.Hosts)
        {
            var anyHost = host.Domains.Contains("*");
            string?[] domains = anyHost ? [null] : [.. host.Domains];
            var rules = host.RequiresTls ? [Unserved("requests that are sent to https, at a waypoint")]
                : anyHost ? host.Rules : host.Rules.Add(NoRoute(port));
            foreach (var rule in rules)
            {
                var matches = rule.Matches.SelectMany(match => domains.Select(domain => Within(match with { Port = port }, domain))).OfType<TrafficMatch>().ToImmutableArray();
                if (matches.IsEmpty)
                {
                    // Its own comparison of the host is for none of these.
                    continue;
                }

                yield return rule.Matches.All(match => domains.All(domain => IsKnown(match, domain)))
                    ? rule with { Matches = matches }
                    : rule with { Matches = matches, Unsupported = rule.Unsupported.Add("a comparison of the host beside the hosts that it is for"), UnsupportedStatus = 503 };
            }
        }
    }

    /// <summary>The rule of a port that has no other: nothing is found.</summary>
    public static TrafficRule NoRoute(int port) => new() { Name = "no route", Action = new RespondAction(404, ""), Matches = [new TrafficMatch { Port = port }] };

    /// <summary>A rule for everything, which answers with an error.</summary>
    private static TrafficRule Unserved(string why) => new() { Matches = [new TrafficMatch()], Unsupported = [why], UnsupportedStatus = 503 };

    /// <summary>A match for one domain: both that and its own comparison of the host must hold. Null: they never do.</summary>
    private static TrafficMatch? Within(TrafficMatch match, string? domain) =>
        domain is null ? match
        : match.Authority is { Kind: TextMatchKind.Exact } whole ? IsOf(whole.Value, domain) ? match : null
        : match with { Authority = Authority(domain) };

    private static bool IsKnown(TrafficMatch match, string? domain) => domain is null || match.Authority is null or { Kind: TextMatchKind.Exact };

    private static bool IsOf(string host, string domain) =>
        Regex.IsMatch(host, $"^{Authority(domain).Value}\\z", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);

    /// <summary>How much a host name says: whole ones before ends, long ones before short ones, any last.</summary>
    private static int Specificity(string domain) => domain == "*" ? 0 : domain.StartsWith('*') ? domain.Length : 1000 + domain.Length;

    private static TextMatch Authority(string domain) => domain.StartsWith('*')
        ? new TextMatch(TextMatchKind.RegularExpression, $"(?i:[^:]*{Regex.Escape(domain[1..])})(?::[0-9]+)?")
        : new TextMatch(TextMatchKind.RegularExpression, $"(?i:{Regex.Escape(domain)})(?::[0-9]+)?");
}
