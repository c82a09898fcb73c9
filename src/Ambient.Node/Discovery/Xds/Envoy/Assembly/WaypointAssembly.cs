using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Listeners;

namespace Ambient.Node.Discovery.Xds.Envoy.Assembly;

/// <summary>What a waypoint is told that belongs to no single service.</summary>
internal static class WaypointAssembly
{
    /// <summary>Puts it in.</summary>
    /// <param name="requests">What holds besides.</param>
    /// <param name="node">The waypoint.</param>
    /// <param name="trustDomains">Trust domains of clients, its own first; empty: not said.</param>
    /// <param name="chains">Every chain.</param>
    /// <param name="workloads">What holds for requests that are addressed to workloads.</param>
    /// <param name="isTold">Whether the listener that finds services has come: before it the waypoint has nothing to serve by.</param>
    public static RequestConfiguration Apply(
        RequestConfiguration requests, EnvoyNode node, ImmutableArray<string> trustDomains, ImmutableArray<EnvoyChain> chains, PlaceConfiguration workloads, bool isTold)
    {
        var authorizers = ImmutableDictionary.CreateBuilder<string, ExternalAuthorizer>(StringComparer.Ordinal);
        // What is said of requests says more than what is said of connections.
        foreach (var authorizer in chains.OrderByDescending(chain => chain.Http is not null).SelectMany(chain => chain.Authorizers))
        {
            authorizers.TryAdd(authorizer.Name, authorizer);
        }

        var gateway = new Mesh.Gateway { Namespace = node.Namespace, Name = node.Gateway, ClassName = Mesh.Gateway.WaypointClass, Headers = chains.Select(static chain => chain.Http).OfType<ChainHttp>().FirstOrDefault()?.Headers ?? ProxyHeaders.Default };
        return requests with
        {
            Gateways = !isTold || requests.Gateways.GetValueOrDefault(gateway.Key)?.Equals(gateway) == true ? requests.Gateways : requests.Gateways.SetItem(gateway.Key, gateway),
            TrustDomain = trustDomains is [var own, ..] ? own : requests.TrustDomain,
            TrustDomainAliases = trustDomains is [_, .. var others] ? others : [],
            PathNormalization = chains.Select(chain => chain.Http).OfType<ChainHttp>().Select(http => http.Normalization).Distinct().ToArray() is [var only] ? only : Strictest(chains),
            LogsAccess = chains.IsEmpty || chains.Any(chain => chain.IsLogged),
            ExternalAuthorizers = authorizers.ToImmutable(),
            Places = requests.Places.GetValueOrDefault(PlaceConfiguration.Workloads)?.Equals(workloads) == true
                ? requests.Places
                : requests.Places.SetItem(PlaceConfiguration.Workloads, workloads),
        };
    }

    /// <summary>One treatment of paths for all: istiod knows no other. Where chains differ all the same, the most thorough.</summary>
    private static PathNormalization Strictest(ImmutableArray<EnvoyChain> chains)
    {
        var all = chains.Select(chain => chain.Http).OfType<ChainHttp>().Select(http => http.Normalization).ToHashSet();
        foreach (var candidate in (ReadOnlySpan<PathNormalization>)[PathNormalization.DecodeAndMergeSlashes, PathNormalization.MergeSlashes, PathNormalization.Base])
        {
            if (all.Contains(candidate))
            {
                return candidate;
            }
        }

        return all.Count == 0 ? PathNormalization.Base : PathNormalization.None;
    }
}
