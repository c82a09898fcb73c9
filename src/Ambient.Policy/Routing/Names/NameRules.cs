using System.Collections.Immutable;

namespace Ambient.Policy.Routing.Names;

/// <summary>What names mean besides what is written in the mesh.</summary>
/// <param name="ClusterDomain">DNS domain of the cluster.</param>
/// <param name="SearchDomains">What clients append to names; null: what Kubernetes gives a pod of the client's namespace.</param>
/// <param name="PreferredNamespace">Namespace that wins where nothing else decides; null: none.</param>
/// <param name="IPv6">Whether there are IPv6 addresses at all.</param>
/// <param name="PodNames">
/// Whether pods of headless services are answered by their own names (<c>web-0.web.shop.svc.cluster.local</c>). False beside a cluster, whose
/// DNS server does it; true where the mesh is a folder and nobody else knows them.
/// </param>
public sealed record NameRules(
    string ClusterDomain, ImmutableArray<string>? SearchDomains = null, string? PreferredNamespace = null, bool IPv6 = true, bool PodNames = false);
