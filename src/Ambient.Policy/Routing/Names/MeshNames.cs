using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Names;

/// <summary>
/// Names as a pod resolves them: mesh services, by the search rules that Kubernetes gives a pod (resolv.conf, ndots:5). Pure functions of the
/// snapshot; DNS, SOCKS5 and a member's clients all ask here.
/// </summary>
public static class MeshNames
{
    /// <summary>What the mesh knows of a name; null: nothing, somebody else has to be asked.</summary>
    public static NameAnswer? Lookup(MeshSnapshot mesh, Workload client, string name, AddressFamily family, NameRules rules)
    {
        if (name.Length == 0 || Find(mesh, client, name, rules) is not { } found)
        {
            return null;
        }

        var (service, alias, wildcard, _) = found;

        var none = family == AddressFamily.InterNetworkV6 ? !rules.IPv6 || service.IPFamilies == IPFamilies.IPv4Only : service.IPFamilies == IPFamilies.IPv6Only;
        return new NameAnswer(service, wildcard ? null : alias, none ? [] : Addresses(mesh, client, found, family));
    }

    /// <summary>
    /// One address for a client that asked for a connection rather than for addresses: of the given family if there is one. Knows workloads
    /// by their host names, too. Null: the mesh does not know the name.
    /// </summary>
    public static IPAddress? Resolve(MeshSnapshot mesh, Workload client, string name, NameRules rules, AddressFamily family, Random random)
    {
        ArgumentNullException.ThrowIfNull(random);
        name = name.TrimEnd('.').ToLowerInvariant();
        if (Find(mesh, client, name, rules) is { } found)
        {
            var addresses = Addresses(mesh, client, found, family);
            addresses = addresses.IsEmpty ? Addresses(mesh, client, found, Other(family)) : addresses;
            return addresses.IsEmpty ? null : found.Service.Vips.Length > 0 ? addresses[0] : addresses[random.Next(addresses.Length)];
        }

        foreach (var candidate in Expansions(name, client.Namespace, rules.ClusterDomain))
        {
            if (mesh.FindWorkloadByHostname(client.Namespace, candidate) is { Addresses: [var first, ..] } workload)
            {
                return workload.Addresses.FirstOrDefault(address => address.AddressFamily == family) ?? first;
            }
        }

        return null;
    }

    /// <summary>The name itself, then what Kubernetes' search list makes of it.</summary>
    internal static IEnumerable<string> Expansions(string name, string ns, string domain)
    {
        yield return name;
        switch (name.AsSpan().Count('.') + 1)
        {
            case 1:
                yield return $"{name}.{ns}.svc.{domain}";
                break;
            case 2:
                yield return $"{name}.svc.{domain}";
                yield return $"{name}.{ns}.svc.{domain}";
                break;
            case 3:
                if (name.EndsWith(".svc", StringComparison.OrdinalIgnoreCase))
                {
                    yield return $"{name}.{domain}";
                }

                yield return $"{name}.svc.{domain}";
                break;
            case 4 when name.EndsWith(".svc", StringComparison.OrdinalIgnoreCase):
                yield return $"{name}.{domain}";
                break;
        }
    }

    /// <summary>The search domains that Kubernetes gives a pod.</summary>
    internal static ImmutableArray<string> SearchDomains(string ns, string domain) => [$"{ns}.svc.{domain}", $"svc.{domain}", domain];

    private static Found? Find(MeshSnapshot mesh, Workload client, string name, NameRules rules)
    {
        foreach (var candidate in Expansions(name, client.Namespace, rules.ClusterDomain))
        {
            if (FindHost(mesh, client, candidate, rules, out var wildcard, out var pod) is { } service)
            {
                return new(service, null, wildcard, pod);
            }
        }

        // A name that the client's resolver has completed: what was meant is the part before.
        foreach (var search in rules.SearchDomains ?? SearchDomains(client.Namespace, rules.ClusterDomain))
        {
            if (name.Length <= search.Length + 1 || name[^(search.Length + 1)] != '.' || !name.EndsWith(search, StringComparison.OrdinalIgnoreCase))
            {
                continue;
            }

            var stripped = name[..^(search.Length + 1)];
            foreach (var candidate in Expansions(stripped, client.Namespace, rules.ClusterDomain))
            {
                if (FindHost(mesh, client, candidate, rules, out var wildcard, out var pod) is { } service)
                {
                    return new(service, stripped, wildcard, pod);
                }
            }
        }

        return null;
    }

    /// <summary>The hostname, then a pod of a headless service, then wildcards in place of its leftmost labels.</summary>
    private static MeshService? FindHost(MeshSnapshot mesh, Workload client, string hostname, NameRules rules, out bool wildcard, out Workload? pod)
    {
        wildcard = false;
        pod = null;
        if (FindPod(mesh, client, hostname, rules) is ({ } named, { } headless))
        {
            pod = named;
            return headless;
        }

        for (var tried = hostname; ;)
        {
            if (Best(mesh.ServicesOfHostname(tried), client.Namespace, rules) is { } service)
            {
                return service;
            }

            var dot = tried.IndexOf('.', wildcard ? 2 : 0);
            if (dot < 0)
            {
                return null;
            }

            tried = "*" + tried[dot..];
            wildcard = true;
        }
    }

    /// <summary>
    /// A pod by its own name before that of a headless service, as those of a StatefulSet have one
    /// (<c>web-0.web.shop.svc.cluster.local</c>).
    /// </summary>
    private static (Workload Pod, MeshService Service)? FindPod(MeshSnapshot mesh, Workload client, string hostname, NameRules rules)
    {
        var dot = hostname.IndexOf('.', StringComparison.Ordinal);
        if (!rules.PodNames || dot <= 0 || !IsOfCluster(hostname, rules.ClusterDomain)
            || Best(mesh.ServicesOfHostname(hostname[(dot + 1)..]), client.Namespace, rules) is not { Vips.IsEmpty: true } service)
        {
            return null;
        }

        foreach (var endpoint in mesh.EndpointsOf(service))
        {
            if (endpoint.Workload.Namespace == service.Namespace && hostname.AsSpan(0, dot).SequenceEqual(endpoint.Workload.Name))
            {
                return (endpoint.Workload, service);
            }
        }

        return null;
    }

    /// <summary>Of the services of a hostname that the client may see and that can be answered: its own namespace's, canonical, preferred, first.</summary>
    private static MeshService? Best(ImmutableArray<MeshService> services, string ns, NameRules rules)
    {
        MeshService? own = null, canonical = null, preferred = null, first = null;
        foreach (var service in services)
        {
            if (!service.IsVisibleTo(ns) || (service.Vips.IsEmpty && !IsOfCluster(service.Hostname, rules.ClusterDomain)))
            {
                continue;
            }

            first ??= service;
            own ??= service.Namespace == ns ? service : null;
            preferred ??= service.Namespace == rules.PreferredNamespace ? service : null;
            canonical = service.Canonical ? service : canonical;
        }

        return own ?? canonical ?? preferred ?? first;
    }

    private static bool IsOfCluster(string hostname, string domain) =>
        hostname.EndsWith(domain, StringComparison.OrdinalIgnoreCase) && hostname.AsSpan(0, hostname.Length - domain.Length).EndsWith(".svc.", StringComparison.OrdinalIgnoreCase);

    private static ImmutableArray<IPAddress> Addresses(MeshSnapshot mesh, Workload client, Found found, AddressFamily family)
    {
        if (found.Pod is { } pod)
        {
            return [.. pod.Addresses.Where(address => address.AddressFamily == family)];
        }

        var service = found.Service;
        var addresses = ImmutableArray.CreateBuilder<IPAddress>();
        foreach (var vip in service.Vips)
        {
            if (vip.Network == client.Network && vip.Address.AddressFamily == family)
            {
                addresses.Add(vip.Address);
            }
        }

        if (service.Vips.IsEmpty)
        {
            foreach (var endpoint in mesh.EndpointsOf(service))
            {
                if (endpoint.Workload.Addresses.FirstOrDefault(address => address.AddressFamily == family) is { } address)
                {
                    addresses.Add(address);
                }
            }
        }

        return addresses.DrainToImmutable();
    }

    private static AddressFamily Other(AddressFamily family) =>
        family == AddressFamily.InterNetwork ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork;

    /// <summary>What a name was found to be.</summary>
    /// <param name="Service">The service.</param>
    /// <param name="Alias">The name without its search domain, when it was found by that.</param>
    /// <param name="Wildcard">Whether a wildcard matched.</param>
    /// <param name="Pod">The one endpoint that the name is of, or null.</param>
    private readonly record struct Found(MeshService Service, string? Alias, bool Wildcard, Workload? Pod);
}
