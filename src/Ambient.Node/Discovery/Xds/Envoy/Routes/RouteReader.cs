using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Clusters;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf;

namespace Ambient.Node.Discovery.Xds.Envoy.Routes;

/// <summary>
/// A route as a rule. What is not understood of it answers for the whole route: left out, a later and laxer one would take its requests. A match
/// that is understood in part matches more, and answers with an error.
/// </summary>
internal static class RouteReader
{
    private const int Unserved = 503;

    // Envoy's, where a route says nothing of time.
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(15);

    /// <summary>Reads a route.</summary>
    /// <param name="bytes">Its bytes.</param>
    /// <param name="where">Where it is, for people.</param>
    /// <param name="hashes">Takes what its clusters are asked by.</param>
    /// <param name="problems">Takes what is not understood.</param>
    public static TrafficRule Read(ByteString bytes, string where, ImmutableDictionary<string, ConsistentHash>.Builder hashes, Problems problems)
    {
        var wire = Strict.Read(Route.Parser, bytes, out var isWhole);
        var unknown = ImmutableArray.CreateBuilder<string>();
        if (!isWhole)
        {
            unknown.Add("a field that is not known");
        }

        var match = RouteMatchReader.Read(Strict.Read(RouteMatch.Parser, wire.Match, out var isWholeMatch), unknown);
        if (!isWholeMatch)
        {
            unknown.Add("a comparison that is not known");
        }

        if (wire.Route_ is { } forward)
        {
            RouteNotes.Add(forward, $"{where} route {wire.Name}", problems);
        }

        var action = ActionOf(wire, hashes, unknown);
        CorsRule? cors = null;
        FaultRule? fault = null;
        foreach (var (key, any) in wire.TypedPerFilterConfig.OrderBy(static entry => entry.Key, StringComparer.Ordinal))
        {
            switch (key, any.TypeUrl)
            {
                case ("envoy.filters.http.cors", EnvoyTypes.CorsPolicy):
                    cors = RouteFilterReader.ReadCors(any.Value, unknown);
                    break;
                case ("envoy.filters.http.fault", EnvoyTypes.Fault):
                    fault = RouteFilterReader.ReadFault(any.Value, unknown);
                    break;
                default:
                    unknown.Add($"the filter {key} ({EnvoyTypes.Short(any.TypeUrl)})");
                    break;
            }
        }

        var (origin, name) = RouteOrigin.Of(wire);
        var rule = new TrafficRule
        {
            Origin = origin,
            Name = name,
            Matches = [match],
            Action = action,
            RequestHeaders = HeaderReader.Read(wire.RequestHeadersToAdd, wire.RequestHeadersToRemove, unknown),
            ResponseHeaders = HeaderReader.Read(wire.ResponseHeadersToAdd, wire.ResponseHeadersToRemove, unknown),
            Cors = cors,
            Fault = fault,
            Unsupported = unknown.ToImmutable(),
            UnsupportedStatus = Unserved,
        };
        foreach (var what in rule.Unsupported)
        {
            problems.Add($"{where} route {wire.Name}", what);
        }

        return rule;
    }

    private static TrafficAction ActionOf(Route wire, ImmutableDictionary<string, ConsistentHash>.Builder hashes, ImmutableArray<string>.Builder unknown)
    {
        switch (wire.ActionCase)
        {
            case Route.ActionOneofCase.Route_:
                return Forward(wire.Route_, hashes, unknown);
            case Route.ActionOneofCase.Redirect:
                return new Mesh.RedirectAction(Redirect(wire.Redirect));
            case Route.ActionOneofCase.DirectResponse when wire.DirectResponse.Status is >= 200 and <= 599:
                var body = wire.DirectResponse.Body;
                if (body is not null && body.SpecifierCase is not (DataSource.SpecifierOneofCase.InlineBytes or DataSource.SpecifierOneofCase.InlineString))
                {
                    unknown.Add("a body that is not inline");
                }

                return new RespondAction((int)wire.DirectResponse.Status, body is null ? "" : body.InlineString.Length > 0 ? body.InlineString : body.InlineBytes.ToStringUtf8());
            default:
                unknown.Add("an action that is not known");
                return new ForwardAction();
        }
    }

    private static RequestRedirect Redirect(Protos.Envoy.RedirectAction wire)
    {
        var path = wire.PathRedirect.Length > 0 ? new PathRewrite(PathRewriteKind.ReplaceFullPath, wire.PathRedirect)
            : wire.PrefixRewrite.Length > 0 ? new PathRewrite(PathRewriteKind.ReplaceTextPrefix, wire.PrefixRewrite)
            : null;
        return new RequestRedirect(
            wire.SchemeRedirect.Length > 0 ? wire.SchemeRedirect : null,
            wire.HostRedirect.Length > 0 ? wire.HostRedirect : null,
            path,
            wire.PortRedirect is > 0 and <= 65535 ? (int)wire.PortRedirect : null,
            wire.ResponseCode switch
            {
                Protos.Envoy.RedirectAction.Types.RedirectResponseCode.Found => 302,
                Protos.Envoy.RedirectAction.Types.RedirectResponseCode.SeeOther => 303,
                Protos.Envoy.RedirectAction.Types.RedirectResponseCode.TemporaryRedirect => 307,
                Protos.Envoy.RedirectAction.Types.RedirectResponseCode.PermanentRedirect => 308,
                _ => 301,
            })
        {
            KeepsRequestPort = wire.PortRedirect == 0,
        };
    }

    private static ForwardAction Forward(RouteAction wire, ImmutableDictionary<string, ConsistentHash>.Builder hashes, ImmutableArray<string>.Builder unknown)
    {
        if (wire.UpgradeConfigs.Count > 0)
        {
            unknown.Add("upgrades of its own");
        }

        var backends = wire.ClusterSpecifierCase switch
        {
            RouteAction.ClusterSpecifierOneofCase.Cluster => [Backend(wire.Cluster, 1)],
            RouteAction.ClusterSpecifierOneofCase.WeightedClusters => wire.WeightedClusters.Clusters.Select(cluster =>
                Backend(cluster.Name, (int)Math.Min(cluster.Weight ?? 0, int.MaxValue)) with
                {
                    RequestHeaders = HeaderReader.Read(cluster.RequestHeadersToAdd, [], unknown),
                    ResponseHeaders = HeaderReader.Read(cluster.ResponseHeadersToAdd, [], unknown),
                }).ToImmutableArray(),
            _ => ImmutableArray<TrafficBackend>.Empty,
        };
        if (wire.ClusterSpecifierCase == RouteAction.ClusterSpecifierOneofCase.None)
        {
            unknown.Add("a destination that is not known");
        }

        if (HashReader.Read(wire.HashPolicy) is { } hash)
        {
            foreach (var cluster in wire.ClusterSpecifierCase == RouteAction.ClusterSpecifierOneofCase.Cluster ? [wire.Cluster] : wire.WeightedClusters.Clusters.Select(cluster => cluster.Name))
            {
                hashes.TryAdd(cluster, hash);
            }
        }

        return new ForwardAction
        {
            Backends = backends,
            MissingBackendStatus = wire.ClusterNotFoundResponseCode switch
            {
                RouteAction.Types.ClusterNotFoundResponseCode.NotFound => 404,
                RouteAction.Types.ClusterNotFoundResponseCode.InternalServerError => 500,
                _ => 503,
            },
            Rewrite = Rewrite(wire, unknown),
            Mirrors = [.. wire.RequestMirrorPolicies.Select(mirror => new TrafficMirror(
                ClusterName.Reference(mirror.Cluster, ""), Texts.Parts(mirror.RuntimeFraction?.DefaultValue, TrafficMirror.All))
            {
                Subset = ClusterName.Parse(mirror.Cluster)?.Subset,
            })],
            Timeout = wire.Timeout is { } timeout ? timeout.ToTimeSpan() : s_timeout,
            TryTimeout = wire.RetryPolicy?.PerTryTimeout?.ToTimeSpan(),
            Retry = RetryReader.Read(wire.RetryPolicy),
        };
    }

    private static UrlRewrite? Rewrite(RouteAction wire, ImmutableArray<string>.Builder unknown)
    {
        PathRewrite? path = null;
        if (wire.PrefixRewrite.Length > 0)
        {
            path = new PathRewrite(PathRewriteKind.ReplaceTextPrefix, wire.PrefixRewrite);
        }
        else if (wire.RegexRewrite is { } regex)
        {
            if (regex.Pattern is null || !Texts.IsUsable(regex.Pattern.Regex))
            {
                unknown.Add("a pattern to rewrite by that cannot be used");
            }

            path = new PathRewrite(PathRewriteKind.ReplacePattern, regex.Substitution) { Pattern = regex.Pattern?.Regex ?? "" };
        }

        return path is null && wire.HostRewriteLiteral.Length == 0 ? null : new UrlRewrite(wire.HostRewriteLiteral.Length > 0 ? wire.HostRewriteLiteral : null, path);
    }

    private static TrafficBackend Backend(string cluster, int weight) =>
        new(ClusterName.Reference(cluster, ""), weight) { Subset = ClusterName.Parse(cluster)?.Subset };
}
