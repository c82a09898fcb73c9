using System.Globalization;
using System.Text;
using Ambient.Node.Connections;

namespace Ambient.Node.Capture.PodNetwork;

/// <summary>
/// The redirection of a pod as an nft script: the rules that the network plugin installs, in their effect (istio/istio, <c>cni/pkg/iptables</c>). One
/// table of ours for each pod, replaced whole, so that installing twice is installing once and nobody else's rules are touched.
/// </summary>
internal static class PodRules
{
    /// <summary>Name of the table, in family <c>inet</c>.</summary>
    public const string Table = "ambient_pod";

    /// <summary>What ztunnel's own sockets carry (<c>PACKET_MARK</c>): never redirected.</summary>
    public const int Mark = 0x539;

    /// <summary>What connections carry that ztunnel made from a client's address: their answers come back to ztunnel.</summary>
    public const int ConnectionMark = 0x111;

    /// <summary>Bits of both marks; the others belong to other users of marks.</summary>
    public const int MarkMask = 0xfff;

    /// <summary>Where the node's own probes come from: they reach the pod as if there were no mesh.</summary>
    public const string ProbeSource = "169.254.7.127";

    /// <summary>The same in IPv6.</summary>
    public const string ProbeSourceV6 = "fd16:9254:7127:1337:ffff:ffff:ffff:ffff";

    /// <summary>Routing table through which answers to spoofed sources stay in the pod.</summary>
    public const int RoutingTable = 100;

    /// <summary>Preference of the rule that leads there.</summary>
    public const int RulePreference = 32764;

    private const int DnsPort = 15053;
    private const string Tcp = "meta l4proto tcp";
    private static readonly string[] s_notLoopback = ["ip daddr != 127.0.0.1", "ip6 daddr != ::1"];
    private static readonly string s_marked = $"meta mark & {MarkMask} == {Mark}";
    private static readonly string s_unmarked = $"meta mark & {MarkMask} != {Mark}";

    /// <summary>The script that installs the redirection, over one that is there already.</summary>
    public static string Install(PodCapture capture)
    {
        ArgumentNullException.ThrowIfNull(capture);
        var script = new StringBuilder(Remove());
        script.AppendLine(CultureInfo.InvariantCulture, $"table inet {Table} {{");

        // What arrives with ztunnel's mark is marked as a connection, and every later packet of it carries that mark.
        Chain(script, "mangle_prerouting", "type filter hook prerouting priority -150", [
            $"{s_marked} ct mark set ct mark & {~MarkMask & uint.MaxValue} | {ConnectionMark}",
        ]);
        Chain(script, "mangle_output", "type route hook output priority -150", [
            $"ct mark & {MarkMask} == {ConnectionMark} meta mark set ct mark",
        ]);
        Chain(script, "nat_prerouting", "type nat hook prerouting priority -100", Incoming(capture));
        Chain(script, "nat_output", "type nat hook output priority -100", Outgoing(capture));
        if (capture.Dns)
        {
            // Ztunnel's own questions have the same addresses and ports as the pod's, which were led to ztunnel: a zone apart keeps
            // one's answer from being taken for the other's.
            Chain(script, "raw_output", "type filter hook output priority -300", [$"udp dport 53 {s_marked} ct zone set 1"]);
            Chain(script, "raw_prerouting", "type filter hook prerouting priority -300", [$"udp sport 53 {s_unmarked} ct zone set 1"]);
        }

        return script.AppendLine("}").ToString();
    }

    /// <summary>The script that removes it; no error when there is none.</summary>
    public static string Remove() => $"table inet {Table}\ndelete table inet {Table}\n";

    private static IEnumerable<string> Incoming(PodCapture capture)
    {
        foreach (var name in capture.VirtualInterfaces)
        {
            yield return $"iifname \"{name}\" {Tcp} redirect to :{ReservedPorts.Outbound}";
            yield return $"iifname \"{name}\" return";
        }

        if (!capture.Inbound)
        {
            yield break;
        }

        yield return $"ip saddr {ProbeSource} {Tcp} accept";
        yield return $"ip6 saddr {ProbeSourceV6} {Tcp} accept";
        foreach (var notLoopback in s_notLoopback)
        {
            yield return $"{notLoopback} tcp dport != {ReservedPorts.Hbone} {s_unmarked} redirect to :{ReservedPorts.InboundPlaintext}";
        }
    }

    private static IEnumerable<string> Outgoing(PodCapture capture)
    {
        yield return $"ip daddr {ProbeSource} {Tcp} accept";
        yield return $"ip6 daddr {ProbeSourceV6} {Tcp} accept";
        if (capture.Dns)
        {
            yield return $"oifname != \"lo\" udp dport 53 {s_unmarked} redirect to :{DnsPort}";
            foreach (var notLoopback in s_notLoopback)
            {
                yield return $"{notLoopback} tcp dport 53 {s_unmarked} redirect to :{DnsPort}";
            }
        }

        yield return $"{Tcp} meta mark & {MarkMask} == {ConnectionMark} accept";
        foreach (var notLoopback in s_notLoopback)
        {
            // A pod that calls its own address calls itself, and no mesh has a say in that.
            yield return $"oifname \"lo\" {notLoopback} accept";
        }

        foreach (var notLoopback in s_notLoopback)
        {
            yield return $"{notLoopback} {Tcp} {s_unmarked} redirect to :{ReservedPorts.Outbound}";
        }
    }

    private static void Chain(StringBuilder script, string name, string hook, IEnumerable<string> rules)
    {
        script.AppendLine(CultureInfo.InvariantCulture, $"  chain {name} {{");
        script.AppendLine(CultureInfo.InvariantCulture, $"    {hook}; policy accept;");
        foreach (var rule in rules)
        {
            script.AppendLine(CultureInfo.InvariantCulture, $"    {rule}");
        }

        script.AppendLine("  }");
    }
}
