using System.Diagnostics;
using System.Globalization;
using Ambient.Node.Capture.PodNetwork;
using Ambient.Node.Sockets;

namespace Ambient.Node.Tests.Capture.PodNetwork;

/// <summary>The rules in a real network namespace, as the kernel has them.</summary>
[Trait("Needs", "Root")]
public sealed class PodRedirectionTests : IDisposable
{
    private static int s_count;
    private readonly string _name = string.Create(CultureInfo.InvariantCulture, $"ambient-pod-{Environment.ProcessId}-{Interlocked.Increment(ref s_count)}");

    [SkippableFact]
    public async Task InstalledTwice_IsInstalledOnce_AndRemovedIsGone()
    {
        using var pod = Make();

        await PodRedirection.InstallAsync(pod, PodCapture.All, CancellationToken.None);
        var once = State();
        await PodRedirection.InstallAsync(pod, PodCapture.All, CancellationToken.None);

        Assert.Contains("redirect to :15001", once, StringComparison.Ordinal);
        Assert.Contains("local default dev lo", once, StringComparison.Ordinal);
        Assert.Equal(once, State());

        await PodRedirection.RemoveAsync(pod, CancellationToken.None);
        Assert.Equal("", State());
        await PodRedirection.RemoveAsync(pod, CancellationToken.None);
    }

    [SkippableFact]
    public async Task OtherTables_AreLeftAlone()
    {
        using var pod = Make();
        Run($"ip netns exec {_name} nft add table inet somebody");

        await PodRedirection.InstallAsync(pod, PodCapture.All with { VirtualInterfaces = ["tap0", "tap1"], Dns = false }, CancellationToken.None);
        await PodRedirection.InstallAsync(pod, PodCapture.All with { Inbound = false }, CancellationToken.None);
        Assert.DoesNotContain("15006", State(), StringComparison.Ordinal);
        await PodRedirection.RemoveAsync(pod, CancellationToken.None);

        Assert.Equal("table inet somebody", Run($"ip netns exec {_name} nft list tables").Trim());
    }

    [SkippableFact]
    public async Task WithoutIPv6OnLoopback_OnlyIPv4IsRouted()
    {
        using var pod = Make();
        Run($"ip netns exec {_name} sysctl -qw net.ipv6.conf.lo.disable_ipv6=1");

        await PodRedirection.InstallAsync(pod, PodCapture.All, CancellationToken.None);

        Assert.Equal("", Run($"ip -n {_name} -6 rule list pref 32764"));
        Assert.NotEqual("", Run($"ip -n {_name} -4 rule list pref 32764"));
    }

    [SkippableFact]
    public void WrongPaths_AreNamed()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "namespaces are Linux's");
        Assert.Contains("/run/netns/none-such", Assert.Throws<PodNetworkException>(() => PodNamespace.Open("/run/netns/none-such")).Message, StringComparison.Ordinal);

        using var file = PodNamespace.Open("/etc/hostname");
        Assert.Contains("/etc/hostname cannot be entered", Assert.Throws<PodNetworkException>(() => file.Run(() => 0)).Message, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        if (File.Exists($"/run/netns/{_name}"))
        {
            Run($"ip netns del {_name}");
        }
    }

    private PodNamespace Make()
    {
        Skip.IfNot(OperatingSystem.IsLinux() && Environment.UserName == "root", "network namespaces need root on Linux");
        Skip.IfNot(File.Exists("/usr/sbin/nft"), "nftables is not installed");
        Run($"ip netns add {_name} && ip -n {_name} link set lo up");
        return PodNamespace.Open($"/run/netns/{_name}");
    }

    private string State() => Run(
        $"ip netns exec {_name} nft list ruleset; for f in -4 -6; do ip -n {_name} $f rule list pref 32764; ip -n {_name} $f route list table 100 2>/dev/null; done; true");

    private static string Run(string command)
    {
        using var process = Process.Start(new ProcessStartInfo("sh", ["-c", command]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = process.StandardOutput.ReadToEnd();
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{command}: {error}{output}");
    }
}
