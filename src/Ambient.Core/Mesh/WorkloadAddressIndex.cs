using System.Collections.Immutable;
using System.Net;

namespace Ambient.Mesh;

/// <summary>
/// Workloads by address and by hostname. Nearly every address has one owner, so a claim is the workload itself; only
/// an address that several workloads claim at once costs an array.
/// </summary>
internal sealed class WorkloadAddressIndex
{
    private readonly SharedMap<NetworkAddress, object> _addresses;
    private readonly SharedMap<string, object> _hostnames;

    private WorkloadAddressIndex(SharedMap<NetworkAddress, object> addresses, SharedMap<string, object> hostnames)
    {
        _addresses = addresses;
        _hostnames = hostnames;
    }

    internal static WorkloadAddressIndex Empty { get; } =
        new(SharedMap<NetworkAddress, object>.Empty, SharedMap<string, object>.Empty);

    internal Workload? Find(string network, IPAddress address) =>
        _addresses.TryGetValue(new NetworkAddress(network, address), out var claims) ? Best(claims) : null;

    internal Workload? FindByHostname(string ns, string hostname) =>
        _hostnames.Count > 0 && _hostnames.TryGetValue($"{ns}/{hostname}", out var claims) ? Best(claims) : null;

    internal Builder ToBuilder() => new(this);

    /// <summary>Pods before other kinds, then HBONE, then who claimed the address last.</summary>
    private static Workload Best(object claims)
    {
        if (claims is Workload only)
        {
            return only;
        }

        Workload? best = null;
        var bestRank = -1;
        foreach (var workload in (Workload[])claims)
        {
            var rank = (workload.Uid.Contains("//Pod/", StringComparison.Ordinal) ? 2 : 0)
                + (workload.Protocol == TunnelProtocol.Hbone ? 1 : 0);
            if (rank >= bestRank)
            {
                (best, bestRank) = (workload, rank);
            }
        }

        return best!;
    }

    internal sealed class Builder(WorkloadAddressIndex start)
    {
        private readonly SharedMap<NetworkAddress, object>.Builder _addresses = start._addresses.ToBuilder();
        private readonly SharedMap<string, object>.Builder _hostnames = start._hostnames.ToBuilder();

        /// <summary>Place of the owner of a workload; where set, an owner with a lower place goes before a later claim.</summary>
        internal Func<string, int>? OrderOf { get; set; }

        /// <summary>
        /// Moves the claims of a workload from its old state to its new one. An address that it keeps keeps its place,
        /// so that a change of status does not make a workload the newest owner.
        /// </summary>
        internal void Replace(Workload? old, Workload? now)
        {
            foreach (var address in AddressesOf(old))
            {
                if (now is null || !Claims(now, old!.Network, address))
                {
                    Release(_addresses, new NetworkAddress(old!.Network, address), old.Uid);
                }
            }

            foreach (var address in AddressesOf(now))
            {
                Claim(_addresses, new NetworkAddress(now!.Network, address), now);
            }

            var (oldName, newName) = (HostnameOf(old), HostnameOf(now));
            if (oldName is not null && oldName != newName)
            {
                Release(_hostnames, oldName, old!.Uid);
            }

            if (newName is not null)
            {
                Claim(_hostnames, newName, now!);
            }
        }

        /// <summary>Makes room for the addresses of that many workloads.</summary>
        internal void EnsureCapacity(int workloads) => _addresses.EnsureCapacity(workloads);

        internal WorkloadAddressIndex ToImmutable() => new(_addresses.ToImmutable(), _hostnames.ToImmutable());

        private static ImmutableArray<IPAddress> AddressesOf(Workload? workload) =>
            workload is null || workload.NetworkMode == NetworkMode.HostNetwork || workload.Addresses.IsDefault ? [] : workload.Addresses;

        private static string? HostnameOf(Workload? workload) =>
            workload is { Hostname.Length: > 0 } ? $"{workload.Namespace}/{workload.Hostname}" : null;

        private static bool Claims(Workload workload, string network, IPAddress address) =>
            workload.Network == network && AddressesOf(workload).Contains(address);

        private void Claim<TKey>(SharedMap<TKey, object>.Builder index, TKey key, Workload workload)
            where TKey : notnull
        {
            if (!index.TryGetValue(key, out var claims))
            {
                index[key] = workload;
                return;
            }

            if (claims is Workload only)
            {
                index[key] = only.Uid == workload.Uid ? workload : With([only], workload);
                return;
            }

            var all = (Workload[])claims;
            var at = Array.FindIndex(all, other => other.Uid == workload.Uid);
            if (at < 0)
            {
                index[key] = With(all, workload);
                return;
            }

            Workload[] replaced = [.. all];
            replaced[at] = workload;
            index[key] = replaced;
        }

        /// <summary>The last of equal claims wins, so the owner that goes first stands last.</summary>
        private Workload[] With(Workload[] all, Workload workload)
        {
            var at = OrderOf is { } order && order(workload.Uid) is var place ? Array.FindIndex(all, other => order(other.Uid) < place) : -1;
            return at < 0 ? [.. all, workload] : [.. all[..at], workload, .. all[at..]];
        }

        private static void Release<TKey>(SharedMap<TKey, object>.Builder index, TKey key, string uid)
            where TKey : notnull
        {
            if (!index.TryGetValue(key, out var claims))
            {
                return;
            }

            if (claims is not Workload[] all)
            {
                // A workload may list an address twice; its second release must not take another's claim.
                if (((Workload)claims).Uid == uid)
                {
                    index.Remove(key);
                }

                return;
            }

            var left = Array.FindAll(all, other => other.Uid != uid);
            index[key] = left.Length == 1 ? left[0] : left;
        }
    }
}
