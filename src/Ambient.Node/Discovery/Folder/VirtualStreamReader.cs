using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads what VirtualServices say of TLS and TCP (https://istio.io/latest/docs/reference/config/networking/virtual-service/#TLSRoute).</summary>
internal static class VirtualStreamReader
{
    /// <summary>The rules for connections, attached as the rules for requests are; null: there are none.</summary>
    public static StreamRoute? Read(ObjectMeta meta, FieldReader spec, HttpRoute requests)
    {
        ImmutableArray<StreamRule> rules =
        [
            .. spec.Objects("tls").Select(rule => ReadRule(meta, rule, isTls: true)).OfType<StreamRule>(),
            .. spec.Objects("tcp").Select(rule => ReadRule(meta, rule, isTls: false)).OfType<StreamRule>(),
        ];
        return rules.IsEmpty ? null : new StreamRoute
        {
            Kind = HttpRoute.VirtualService,
            Name = meta.Name,
            Namespace = meta.Namespace,
            ParentRefs = requests.ParentRefs,
            Hostnames = requests.Hostnames,
            ExportTo = requests.ExportTo,
            Rules = rules,
            CreationTime = meta.CreationTime,
        };
    }

    /// <summary>A rule; null for one that is only for callers which a waypoint or gateway does not know apart.</summary>
    private static StreamRule? ReadRule(ObjectMeta meta, FieldReader rule, bool isTls)
    {
        var written = rule.Objects("match").ToArray();
        if (isTls && written.Length == 0 && !rule.HasErrors)
        {
            rule.Error("match", "missing; a rule of tls names sniHosts");
        }

        ImmutableArray<StreamMatch> matches = [.. written.Select(match => ReadMatch(meta, match, isTls)).OfType<StreamMatch>()];
        var routes = rule.Objects("route").ToArray();
        if (routes.Length == 0 && !rule.HasErrors)
        {
            rule.Error("route", "missing; expected at least one destination");
        }

        var read = new StreamRule
        {
            IsTls = isTls,
            Matches = matches,
            Backends = [.. routes.Select(route => ReadBackend(meta, route, routes.Length))],
        };
        return written.Length > 0 && matches.IsEmpty ? null : read;
    }

    private static StreamRouteBackend ReadBackend(ObjectMeta meta, FieldReader route, int routes)
    {
        var (reference, subset) = VirtualServiceReader.ReadDestination(meta, route.ObjectOrEmpty("destination"));
        return new StreamRouteBackend(reference, VirtualServiceReader.WeightOf(route, routes)) { Subset = subset };
    }

    private static StreamMatch? ReadMatch(ObjectMeta meta, FieldReader match, bool isTls)
    {
        var names = isTls ? match.Strings("sniHosts") : [];
        if (isTls && names.Count == 0 && !match.HasErrors)
        {
            match.Error("sniHosts", "missing; expected at least one server name");
        }

        var ranges = ImmutableArray.CreateBuilder<IPNetwork>();
        var subnets = match.Strings("destinationSubnets");
        for (var i = 0; i < subnets.Count; i++)
        {
            if (IPText.TryParseRange(subnets[i], out var range))
            {
                ranges.Add(range);
            }
            else
            {
                match.Error("destinationSubnets", i, $"\"{subnets[i]}\" is neither an address nor a range of addresses");
            }
        }

        IPNetwork? clients = null;
        if (!isTls && match.String("sourceSubnet") is { Length: > 0 } source)
        {
            if (IPText.TryParseRange(source, out var range))
            {
                clients = range;
            }
            else
            {
                match.Error("sourceSubnet", $"\"{source}\" is neither an address nor a range of addresses");
            }
        }

        var read = new StreamMatch
        {
            Port = VirtualServiceReader.PortOf(match),
            ServerNames = [.. names],
            DestinationSubnets = ranges.ToImmutable(),
            SourceSubnet = clients,
            Gateways = VirtualServiceReader.GatewaysOf(meta, match),
        };
        return VirtualServiceReader.IsForSomeCallers(match) ? null : read;
    }
}
