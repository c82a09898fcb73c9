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
    /// <summary>Reads one.</summary>
    /// <param name="bytes">Its bytes.</param>
    /// <param name="where">Where it is, for people.</param>
    /// <param name="problems">Takes what is not understood.</param>
    /// <exception cref="InvalidProtocolBufferException">The bytes are no route configuration.</exception>
    public static RouteTable Read(ByteString bytes, string where, Problems problems)
    {
        var wire = Strict.Read(RouteConfiguration.Parser, bytes, out var isWhole);
        RouteNotes.Add(wire, where, problems);
        var unknown = isWhole ? null : problems.Add(where, "its routes have a field that is not known");
        var hashes = ImmutableDictionary.CreateBuilder<string, ConsistentHash>(StringComparer.Ordinal);
        var hosts = ImmutableArray.CreateBuilder<RouteHost>(wire.VirtualHosts.Count);
        foreach (var host in wire.VirtualHosts)
        {
            hosts.Add(new RouteHost(
                [.. host.Domains],
                [.. host.Routes.Select(route => RouteReader.Read(route, where, hashes, problems))],
                host.RequireTls != VirtualHost.Types.TlsRequirementType.None));
        }

        return new RouteTable([.. hosts.OrderByDescending(host => host.Domains.Max(Specificity))], hashes.ToImmutable(), unknown);
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
            var authorities = anyHost ? [null] : host.Domains.Select(Authority).ToArray();
            var rules = anyHost ? host.Rules : host.Rules.Add(new TrafficRule { Name = "no route", Action = new RespondAction(404, ""), Matches = [new TrafficMatch()] });
            foreach (var rule in rules)
            {
                yield return rule with
                {
                    Matches = [.. rule.Matches.SelectMany(match => authorities.Select(authority => match with { Port = port, Authority = match.Authority ?? authority }))],
                };
            }
        }
    }

    /// <summary>How much a host name says: whole ones before ends, long ones before short ones, any last.</summary>
    private static int Specificity(string domain) => domain == "*" ? 0 : domain.StartsWith('*') ? domain.Length : 1000 + domain.Length;

    private static TextMatch? Authority(string domain) => domain.StartsWith('*')
        ? new TextMatch(TextMatchKind.RegularExpression, $"(?i:[^:]*{Regex.Escape(domain[1..])})(?::[0-9]+)?")
        : new TextMatch(TextMatchKind.RegularExpression, $"(?i:{Regex.Escape(domain)})(?::[0-9]+)?");
}
