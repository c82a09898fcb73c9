using System.Globalization;
using Xunit;

namespace Ambient.EndToEnd.Tests.Ztunnel;

/// <summary>
/// Two network namespaces joined by veth, as two pods: the client's address is 10.77.0.2, the server's 10.77.0.3. What the client
/// calls is redirected into 15001, what calls the server into 15006, unless it carries the mark 1337. Everything is inside of
/// namespaces of our own, which are removed afterwards.
/// </summary>
internal sealed class NodeNetwork : IAsyncDisposable
{
    public const string ClientAddress = "10.77.0.2";
    public const string ServerAddress = "10.77.0.3";
    public const string UncapturedAddress = "10.77.0.13";
    public const string Mark = "1337";

    private static int s_count;

    private NodeNetwork()
    {
        var id = string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId}-{Interlocked.Increment(ref s_count)}");
        Client = $"ambient-e2e-{id}-cl";
        Server = $"ambient-e2e-{id}-sv";
    }

    public string Client { get; }

    public string Server { get; }

    /// <summary>Makes the namespaces, or skips the test where that is not possible.</summary>
    public static async Task<NodeNetwork> CreateAsync()
    {
        Skip.IfNot(OperatingSystem.IsLinux() && Environment.UserName == "root", "network namespaces need root on Linux");
        Skip.IfNot(File.Exists("/usr/sbin/iptables") || File.Exists("/sbin/iptables") || File.Exists("/usr/bin/iptables"), "iptables is not installed");
        var network = new NodeNetwork();
        try
        {
            await network.BuildAsync();
            return network;
        }
        catch (InvalidOperationException e) when (e.Message.Contains("Operation not permitted", StringComparison.Ordinal))
        {
            await network.DisposeAsync();
            Skip.If(true, $"network namespaces are not allowed here: {e.Message}");
            throw;
        }
        catch
        {
            await network.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var ns in (string[])[Client, Server])
        {
            try
            {
                await Command.RunAsync("ip", "netns", "del", ns);
            }
            catch (InvalidOperationException)
            {
                // It was never made.
            }
        }
    }

    private async Task BuildAsync()
    {
        foreach (var ns in (string[])[Client, Server])
        {
            await Command.RunAsync("ip", "netns", "add", ns);
            await Command.ShellAsync($"ip -n {ns} link set lo up");
        }

        await Command.ShellAsync($"""
            set -e
            ip link add eth0 netns {Client} type veth peer name eth0 netns {Server}
            ip -n {Client} addr add {ClientAddress}/24 dev eth0
            ip -n {Server} addr add {ServerAddress}/24 dev eth0
            ip -n {Server} addr add {UncapturedAddress}/24 dev eth0
            ip -n {Client} link set eth0 up
            ip -n {Server} link set eth0 up
            ip -n {Client} route add 10.96.0.0/16 dev eth0
            ip netns exec {Client} iptables -t nat -A OUTPUT -p tcp ! -d 127.0.0.0/8 -m mark ! --mark {Mark} -j REDIRECT --to-ports 15001
            ip netns exec {Server} iptables -t nat -A PREROUTING -p tcp -d {ServerAddress} ! --dport 15008 -m mark ! --mark {Mark} -j REDIRECT --to-ports 15006
            """);
    }
}
