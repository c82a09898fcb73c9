using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;

namespace Ambient.Mesh;

/// <summary>Services by virtual address, by address range and by hostname, ranked as in ztunnel (<c>state/service.rs</c>).</summary>
internal sealed class ServiceIndex
{
    private readonly SharedMap<NetworkAddress, ImmutableArray<MeshService>> _vips;
    private readonly SharedMap<string, ImmutableArray<MeshService>> _hostnames;
    private readonly ImmutableArray<RangeClaim> _ranges;

    private ServiceIndex(
        SharedMap<NetworkAddress, ImmutableArray<MeshService>> vips,
        SharedMap<string, ImmutableArray<MeshService>> hostnames,
        ImmutableArray<RangeClaim> ranges)
    {
        _vips = vips;
        _hostnames = hostnames;
        _ranges = ranges;
    }

    internal static ServiceIndex Empty { get; } = new(
        SharedMap<NetworkAddress, ImmutableArray<MeshService>>.Empty,
        SharedMap<string, ImmutableArray<MeshService>>.Empty,
        []);

    internal MeshService? Find(string network, IPAddress address, string? clientNamespace)
    {
        if (_vips.TryGetValue(new NetworkAddress(network, address), out var claims)
            && Best(claims, clientNamespace) is { } exact)
        {
            return exact;
        }

        return _ranges.IsEmpty ? null : FindRange(network, address, clientNamespace);
    }

    internal MeshService? FindByHostname(string hostname, string? clientNamespace) =>
        _hostnames.TryGetValue(hostname, out var claims) ? Best(claims, clientNamespace) : null;

    internal ImmutableArray<MeshService> OfHostname(string hostname) => _hostnames.TryGetValue(hostname, out var claims) ? claims : [];

    internal Builder ToBuilder() => new(this);

    private static bool IsVisible(MeshService service, string? clientNamespace) =>
        service.IsVisibleTo(clientNamespace);

    /// <summary>Client's namespace (the first), then canonical (the last), then the first.</summary>
    private static MeshService? Best(ImmutableArray<MeshService> claims, string? clientNamespace)
    {
        MeshService? first = null, canonical = null, own = null;
        foreach (var service in claims)
        {
            if (!IsVisible(service, clientNamespace))
            {
                continue;
            }

            first ??= service;
            canonical = service.Canonical ? service : canonical;
            own ??= service.Namespace == clientNamespace ? service : null;
        }

        return own ?? canonical ?? first;
    }

    /// <summary>Client's namespace, then the longest prefix, then canonical, then the first.</summary>
    private MeshService? FindRange(string network, IPAddress address, string? clientNamespace)
    {
        MeshService? best = null;
        (bool Own, int Prefix, bool Canonical) bestRank = default;
        foreach (var claim in _ranges)
        {
            if (claim.Network != network || !claim.Range.Contains(address) || !IsVisible(claim.Service, clientNamespace))
            {
                continue;
            }

            var rank = (claim.Service.Namespace == clientNamespace, claim.Range.PrefixLength, claim.Service.Canonical);
            if (best is null || rank.CompareTo(bestRank) > 0)
            {
                (best, bestRank) = (claim.Service, rank);
            }
        }

        return best;
    }

    private readonly record struct RangeClaim(string Network, IPNetwork Range, MeshService Service);

    internal sealed class Builder(ServiceIndex start)
    {
        private readonly SharedMap<NetworkAddress, ImmutableArray<MeshService>>.Builder _vips = start._vips.ToBuilder();
        private readonly SharedMap<string, ImmutableArray<MeshService>>.Builder _hostnames = start._hostnames.ToBuilder();
        private readonly ImmutableArray<RangeClaim>.Builder _ranges = start._ranges.ToBuilder();

        /// <summary>Place of the owner of a service; where set, claims stand in that order, and in the order of time among equals.</summary>
        internal Func<string, int>? OrderOf { get; set; }

        /// <summary>Moves the claims of a service from its old state to its new one; what it keeps keeps its place.</summary>
        internal void Replace(MeshService? old, MeshService? now)
        {
            var oldVips = ExactAddressesOf(old);
            var newVips = ExactAddressesOf(now);
            foreach (var vip in oldVips)
            {
                if (!newVips.Contains(vip))
                {
                    Release(_vips, vip, old!.Key);
                }
            }

            foreach (var vip in newVips)
            {
                Claim(_vips, vip, now!);
            }

            if (old is not null)
            {
                ReleaseNames(old, now);
            }

            if (now is not null)
            {
                Claim(_hostnames, now.Hostname, now);
                foreach (var alias in now.Aliases)
                {
                    Claim(_hostnames, alias, now);
                }
            }

            ReplaceRanges(old, now);
        }

        internal ServiceIndex ToImmutable() => new(_vips.ToImmutable(), _hostnames.ToImmutable(), _ranges.ToImmutable());

        private static bool IsExact(IPNetwork range) =>
            range.PrefixLength == (range.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? 32 : 128);

        /// <summary>A range of one address is an address.</summary>
        private static List<NetworkAddress> ExactAddressesOf(MeshService? service)
        {
            var addresses = new List<NetworkAddress>();
            if (service is not null)
            {
                addresses.AddRange(service.Vips);
                foreach (var cidr in service.CidrVips)
                {
                    if (IsExact(cidr.Range))
                    {
                        addresses.Add(new NetworkAddress(cidr.Network, cidr.Range.BaseAddress));
                    }
                }
            }

            return addresses;
        }

        private void ReleaseNames(MeshService old, MeshService? now)
        {
            if (!Has(now, old.Hostname))
            {
                Release(_hostnames, old.Hostname, old.Key);
            }

            foreach (var alias in old.Aliases)
            {
                if (!Has(now, alias))
                {
                    Release(_hostnames, alias, old.Key);
                }
            }

            static bool Has(MeshService? service, string hostname) =>
                service is not null && (service.Hostname == hostname || service.Aliases.Contains(hostname));
        }

        private void ReplaceRanges(MeshService? old, MeshService? now)
        {
            var kept = new HashSet<NetworkCidr>();
            for (var i = _ranges.Count - 1; old is not null && i >= 0; i--)
            {
                var claim = _ranges[i];
                if (claim.Service.Key != old.Key)
                {
                    continue;
                }

                var cidr = new NetworkCidr(claim.Network, claim.Range);
                if (now is not null && now.CidrVips.Contains(cidr) && kept.Add(cidr))
                {
                    _ranges[i] = claim with { Service = now };
                }
                else
                {
                    _ranges.RemoveAt(i);
                }
            }

            foreach (var cidr in now?.CidrVips ?? [])
            {
                if (!IsExact(cidr.Range) && kept.Add(cidr))
                {
                    _ranges.Insert(PlaceOf(_ranges.Count, i => _ranges[i].Service.Key, now!), new RangeClaim(cidr.Network, cidr.Range, now!));
                }
            }
        }

        private void Claim<TKey>(SharedMap<TKey, ImmutableArray<MeshService>>.Builder index, TKey key, MeshService service)
            where TKey : notnull
        {
            if (!index.TryGetValue(key, out var claims))
            {
                index[key] = [service];
                return;
            }

            var at = IndexOf(claims, service.Key);
            index[key] = at < 0 ? claims.Insert(PlaceOf(claims.Length, i => claims[i].Key, service), service) : claims.SetItem(at, service);
        }

        private int PlaceOf(int count, Func<int, string> keyAt, MeshService service)
        {
            if (OrderOf is not { } order)
            {
                return count;
            }

            var own = order(service.Key);
            var at = 0;
            while (at < count && order(keyAt(at)) <= own)
            {
                at++;
            }

            return at;
        }

        private static void Release<TKey>(SharedMap<TKey, ImmutableArray<MeshService>>.Builder index, TKey key, string serviceKey)
            where TKey : notnull
        {
            if (!index.TryGetValue(key, out var claims) || IndexOf(claims, serviceKey) is var at && at < 0)
            {
                return;
            }

            var left = claims.RemoveAt(at);
            if (left.IsEmpty)
            {
                index.Remove(key);
            }
            else
            {
                index[key] = left;
            }
        }

        private static int IndexOf(ImmutableArray<MeshService> claims, string serviceKey)
        {
            for (var i = 0; i < claims.Length; i++)
            {
                if (claims[i].Key == serviceKey)
                {
                    return i;
                }
            }

            return -1;
        }
    }
}
