using System.Net;
using System.Net.Sockets;

namespace Ambient.Node.Capture.PodNetwork;

/// <summary>
/// The node's side of probes: what processes of the node itself send to its captured pods comes from an address that
/// <see cref="PodRules"/> lets pass, so that a kubelet reaches a pod whatever the mesh says.
/// </summary>
public static class ProbeRules
{
    private const string Table = "ambient_probes";

    /// <summary>The nft script for these pods, in place of one for others.</summary>
    public static string Install(IReadOnlyCollection<IPAddress> pods)
    {
        ArgumentNullException.ThrowIfNull(pods);
        return $$"""
            {{Remove()}}table inet {{Table}} {
              chain postrouting {
                type nat hook postrouting priority 100; policy accept;
            {{Rule("ip", PodRules.ProbeSource, AddressFamily.InterNetwork)}}{{Rule("ip6", PodRules.ProbeSourceV6, AddressFamily.InterNetworkV6)}}  }
            }

            """;

        // Only packets with a socket of this node have a user; what is forwarded for others has none and does not match.
        string Rule(string family, string source, AddressFamily addresses) =>
            pods.Where(pod => pod.AddressFamily == addresses).ToList() is { Count: > 0 } some
                ? $"    meta l4proto tcp meta skuid >= 0 {family} daddr {{ {string.Join(", ", some)} }} snat {family} to {source}\n"
                : "";
    }

    /// <summary>The nft script that removes it.</summary>
    public static string Remove() => $"table inet {Table}\ndelete table inet {Table}\n";
}
