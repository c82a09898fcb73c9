using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Clusters;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Discovery.Xds.Envoy.Secrets;

namespace Ambient.Node.Discovery.Xds.Envoy.Assembly;

/// <summary>A host as the mesh has it.</summary>
/// <param name="Service">The service.</param>
/// <param name="Place">What holds for requests to it at this waypoint; null: it does not stand before it.</param>
/// <param name="Rule">What holds towards its endpoints; null: what everybody has.</param>
/// <param name="Protection">TLS to its endpoints; null: none.</param>
/// <param name="Unmet">Ports to which nothing may be sent.</param>
internal sealed record HostModel(
    MeshService Service, PlaceConfiguration? Place, DestinationRule? Rule, BackendProtection? Protection, ImmutableArray<UnmetProtection> Unmet);

/// <summary>Puts together what clusters, chains and endpoints say of one host: pure functions of its parts.</summary>
internal static class HostAssembly
{
    // Which endpoints are healthy clusters say, each for its own; who is not must be known all the same, for it counts among the rest.
    private static readonly LoadBalancing s_assigned = new([], LoadBalancingMode.Standard, EndpointHealthPolicy.AllowAll);

    /// <summary>The host; null: it has neither name nor namespace yet, because its clusters are not there.</summary>
    /// <param name="host">Host name.</param>
    /// <param name="parts">Its parts.</param>
    /// <param name="node">The proxy.</param>
    /// <param name="network">Network of the proxy.</param>
    /// <param name="assignments">Endpoints by cluster.</param>
    /// <param name="hashes">What requests to a cluster hash by.</param>
    /// <param name="secrets">Secrets by their names; null: it has not come.</param>
    /// <param name="tunnelPolicies">Policies for whoever opens a tunnel.</param>
    /// <param name="problems">Takes what does not fit together.</param>
    public static HostModel? Of(
        string host,
        HostParts parts,
        EnvoyNode node,
        string network,
        IReadOnlyDictionary<string, EnvoyAssignment> assignments,
        IReadOnlyDictionary<string, ConsistentHash> hashes,
        Func<string, EnvoySecret?> secrets,
        ImmutableArray<RequestAuthorizationPolicy> tunnelPolicies,
        Problems problems)
    {
        var named = parts.Clusters.Values.FirstOrDefault(cluster => cluster.ServiceNamespace.Length > 0);
        if (named is null)
        {
            if (!parts.Chains.IsEmpty && parts.Clusters.Count > 0)
            {
                // Without any cluster they may yet come.
                problems.Add($"chains of {host}", "no cluster says which service it is");
            }

            return null;
        }

        var (ns, isOwn) = (named.ServiceNamespace, !parts.Chains.IsEmpty);
        var service = new MeshService
        {
            Name = named.ServiceName,
            Namespace = ns,
            Hostname = host,
            Ports = Ports(parts),
            Vips = [.. Ranges(parts).Where(AddressRanges.IsSingle).Select(range => new NetworkAddress(network, range.BaseAddress))],
            CidrVips = [.. Ranges(parts).Where(range => !AddressRanges.IsSingle(range)).Select(range => new NetworkCidr(network, range))],
            LoadBalancing = parts.Clusters.Values.Any(static cluster => cluster.Assignment is not null || cluster.Own is not null) ? s_assigned : null,
            IsOfManyNames = parts.Clusters.Values.Any(static cluster => cluster.IsOfManyNames),
            Waypoint = isOwn ? GatewayAddress.ByAddress(new NetworkAddress(network, node.Address)) : null,
        };
        var (protection, unmet) = Protect(host, parts, secrets, problems);
        return new HostModel(
            service,
            isOwn ? PlaceAssembly.Of(service, parts.Chains, tunnelPolicies, problems) : null,
            RuleAssembly.Of(service, parts.Clusters.Values, assignments, hashes),
            protection,
            unmet);
    }

    private static IEnumerable<IPNetwork> Ranges(HostParts parts) => parts.Chains.SelectMany(chain => chain.Destinations).SelectMany(destination => destination.Ranges)
        .Distinct().Where(static range => !range.BaseAddress.Equals(IPAddress.Any) && !range.BaseAddress.Equals(IPAddress.IPv6Any));

    private static ImmutableArray<ServicePort> Ports(HostParts parts)
    {
        var ports = new SortedDictionary<int, AppProtocol>();
        foreach (var chains in parts.Chains.GroupBy(chain => chain.Name.Port))
        {
            var http = chains.FirstOrDefault(chain => !chain.Name.IsTcp);
            ports[chains.Key] = http is null ? chains.First().IsTls ? AppProtocol.Tls : AppProtocol.Tcp
                : chains.Any(chain => chain.Name.IsTcp) ? AppProtocol.Unknown
                : http.Chain.Http?.IsHttp2 == true ? AppProtocol.Http2
                : AppProtocol.Http11;
        }

        foreach (var cluster in parts.Clusters.Values)
        {
            ports.TryAdd(cluster.Meaning.Port, cluster.Policy.ConnectionPool?.UsesClientProtocol == true ? AppProtocol.Unknown
                : cluster.SpeaksHttp2 ? AppProtocol.Http2 : AppProtocol.Http11);
        }

        // Where an endpoint listens it says itself.
        return [.. ports.Select(port => new ServicePort(port.Key, 0, port.Value))];
    }

    private static (BackendProtection? Protection, ImmutableArray<UnmetProtection> Unmet) Protect(
        string host, HostParts parts, Func<string, EnvoySecret?> secrets, Problems problems)
    {
        var unmet = ImmutableArray.CreateBuilder<UnmetProtection>();
        var byPort = ImmutableDictionary.CreateBuilder<int, BackendTls>();
        foreach (var port in parts.Clusters.Values.GroupBy(cluster => cluster.Meaning.Port).Where(static port => port.Any(static cluster => cluster.Tls is not null) && port.Select(Protection).Distinct().Count() > 1))
        {
            // One port has one protection here: of a subset with another nothing would be known.
            var askedBy = port.Select(static cluster => cluster.Tls?.Tls.AskedBy).First(static askedBy => askedBy is not null)!;
            problems.Add($"{host}:{port.Key}", $"{askedBy} asks for other TLS for a subset than for the rest");
            unmet.Add(new UnmetProtection(host, port.Key, $"{askedBy} with other TLS for a subset than for the rest"));
        }

        foreach (var cluster in parts.Clusters.Values.Where(cluster => cluster.Blocked is not null || cluster.Tls is not null))
        {
            var port = cluster.Meaning.Port;
            if (cluster.Blocked is { } blocked)
            {
                unmet.Add(new UnmetProtection(host, port, blocked));
                continue;
            }

            var tls = cluster.Tls!;
            if (tls.Secrets.FirstOrDefault(name => secrets(name) is not { } secret || (name == tls.Certificate ? secret.Certificate is null : secret.Authorities is null)) is { } missing)
            {
                unmet.Add(new UnmetProtection(host, port, $"{tls.Tls.AskedBy}, whose secret {missing} has not come,"));
                continue;
            }

            var bundle = tls.Authorities is { } authorities ? secrets(authorities)!.Authorities
                : tls.Inline is { } inline ? new CertificateBundle { Name = "inline", Namespace = "", Certificates = inline }
                : null;
            byPort[port] = tls.Tls with
            {
                Authorities = bundle is null ? [] : [bundle],
                ClientCertificate = tls.Certificate is { } own ? secrets(own)!.Certificate : null,
            };
        }

        return (byPort.Count == 0 ? null : new BackendProtection(null, byPort.ToImmutable()), [.. unmet.Distinct()]);
    }

    /// <summary>What protects a cluster, whoever asked for it.</summary>
    private static object Protection(EnvoyCluster cluster) =>
        cluster.Tls is { } tls ? tls with { Tls = tls.Tls with { AskedBy = "" } } : cluster.Blocked ?? "";
}
