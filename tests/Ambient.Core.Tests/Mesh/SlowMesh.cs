using System.Net;
using Ambient.Mesh;

namespace Ambient.Core.Tests.Mesh;

/// <summary>What a snapshot should answer, the obvious way: lists, walked from end to end for every question.</summary>
internal sealed class SlowMesh
{
    private readonly List<(string Claim, string Key)> _claims = [];

    internal Dictionary<string, Workload> Workloads { get; } = [];

    internal Dictionary<string, MeshService> Services { get; } = [];

    internal Dictionary<string, AuthorizationPolicy> Policies { get; } = [];

    internal void Set(Workload workload)
    {
        Workloads[workload.Uid] = workload;
        Reclaim("workload " + workload.Uid, workload.NetworkMode == NetworkMode.HostNetwork
            ? []
            : workload.Addresses.Select(address => $"{workload.Network}/{address}"));
    }

    internal void Set(MeshService service)
    {
        Services[service.Key] = service;
        Reclaim("service " + service.Key,
            service.Vips.Select(vip => vip.ToString())
                .Concat(service.CidrVips.Select(cidr => cidr.Range.PrefixLength == 32 ? $"{cidr.Network}/{cidr.Range.BaseAddress}" : cidr.ToString()))
                .Append(service.Hostname));
    }

    internal void Set(AuthorizationPolicy policy) => Policies[policy.Key] = policy;

    internal void RemoveWorkload(string uid)
    {
        Workloads.Remove(uid);
        Reclaim("workload " + uid, []);
    }

    internal void RemoveService(string key)
    {
        Services.Remove(key);
        Reclaim("service " + key, []);
    }

    internal Workload? FindWorkload(NetworkAddress address) => Claimants(address.ToString(), "workload ")
        .Select(uid => Workloads[uid])
        .Reverse()
        .OrderByDescending(workload => workload.Uid.Contains("//Pod/", StringComparison.Ordinal))
        .ThenByDescending(workload => workload.Protocol)
        .FirstOrDefault();

    internal MeshService? FindService(NetworkAddress address, string? client)
    {
        if (BestService(address.ToString(), client) is { } exact)
        {
            return exact;
        }

        return _claims
            .Where(claim => claim.Key.StartsWith("service ", StringComparison.Ordinal))
            .SelectMany(claim => Services[claim.Key["service ".Length..]].CidrVips
                .Where(cidr => cidr.ToString() == claim.Claim && cidr.Range.PrefixLength < 32
                    && cidr.Network == address.Network && cidr.Range.Contains(address.Address))
                .Select(cidr => (cidr.Range, Service: Services[claim.Key["service ".Length..]])))
            .Where(found => IsVisible(found.Service, client))
            .OrderByDescending(found => found.Service.Namespace == client)
            .ThenByDescending(found => found.Range.PrefixLength)
            .ThenByDescending(found => found.Service.Canonical)
            .Select(found => found.Service)
            .FirstOrDefault();
    }

    internal MeshService? BestService(string claim, string? client)
    {
        var visible = Claimants(claim, "service ").Select(key => Services[key]).Where(service => IsVisible(service, client)).ToList();
        return visible.FirstOrDefault(service => service.Namespace == client)
            ?? visible.LastOrDefault(service => service.Canonical)
            ?? visible.FirstOrDefault();
    }

    private static bool IsVisible(MeshService service, string? client) =>
        client is null || service.Visibility == ServiceVisibility.Public || service.Namespace == client;

    private List<string> Claimants(string claim, string kind) =>
        [.. _claims.Where(held => held.Claim == claim && held.Key.StartsWith(kind, StringComparison.Ordinal)).Select(held => held.Key[kind.Length..])];

    private void Reclaim(string key, IEnumerable<string> claims)
    {
        var wanted = claims.Distinct().ToList();
        _claims.RemoveAll(held => held.Key == key && !wanted.Contains(held.Claim));
        _claims.AddRange(wanted.Where(claim => !_claims.Contains((claim, key))).Select(claim => (claim, key)));
    }
}
