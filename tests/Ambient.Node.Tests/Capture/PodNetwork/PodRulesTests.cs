using System.Net;
using Ambient.Node.Capture.PodNetwork;

namespace Ambient.Node.Tests.Capture.PodNetwork;

public sealed class PodRulesTests
{
    [Fact]
    public void Everything_RedirectsBothWaysAndNames_InBothFamilies()
    {
        var script = PodRules.Install(PodCapture.All);

        // Own table only, replaced whole.
        Assert.StartsWith("table inet ambient_pod\ndelete table inet ambient_pod\ntable inet ambient_pod {", script, StringComparison.Ordinal);
        foreach (var notLoopback in (string[])["ip daddr != 127.0.0.1", "ip6 daddr != ::1"])
        {
            Assert.Contains($"{notLoopback} tcp dport != 15008 meta mark & 4095 != 1337 redirect to :15006", script, StringComparison.Ordinal);
            Assert.Contains($"{notLoopback} meta l4proto tcp meta mark & 4095 != 1337 redirect to :15001", script, StringComparison.Ordinal);
            Assert.Contains($"{notLoopback} tcp dport 53 meta mark & 4095 != 1337 redirect to :15053", script, StringComparison.Ordinal);
            Assert.Contains($"oifname \"lo\" {notLoopback} accept", script, StringComparison.Ordinal);
        }

        Assert.Contains("oifname != \"lo\" udp dport 53 meta mark & 4095 != 1337 redirect to :15053", script, StringComparison.Ordinal);
        Assert.Contains("ip saddr 169.254.7.127 meta l4proto tcp accept", script, StringComparison.Ordinal);
        Assert.Contains("ct zone set 1", script, StringComparison.Ordinal);

        // The first that matches decides: probes and ztunnel's own go before what redirects.
        Assert.True(script.IndexOf("meta mark & 4095 == 273 accept", StringComparison.Ordinal) < script.IndexOf("redirect to :15001", StringComparison.Ordinal));
        Assert.True(script.IndexOf("ip saddr 169.254.7.127", StringComparison.Ordinal) < script.IndexOf("redirect to :15006", StringComparison.Ordinal));
    }

    [Fact]
    public void Ingress_IsNotCapturedInbound()
    {
        var script = PodRules.Install(PodCapture.All with { Inbound = false });

        Assert.DoesNotContain("15006", script, StringComparison.Ordinal);
        Assert.Contains("redirect to :15001", script, StringComparison.Ordinal);
    }

    [Fact]
    public void WithoutDns_NamesAreLeftAlone()
    {
        var script = PodRules.Install(PodCapture.All with { Dns = false });

        Assert.DoesNotContain("15053", script, StringComparison.Ordinal);
        Assert.DoesNotContain("zone", script, StringComparison.Ordinal);
    }

    [Fact]
    public void VirtualInterfaces_AreCapturedAsOutbound_AndNothingElseOfThem()
    {
        var script = PodRules.Install(PodCapture.All with { VirtualInterfaces = ["tap0"] });

        Assert.Contains("iifname \"tap0\" meta l4proto tcp redirect to :15001\n    iifname \"tap0\" return", script, StringComparison.Ordinal);
    }

    [Fact]
    public void Probes_OnlyOfFamiliesThatThePodsHave()
    {
        var script = ProbeRules.Install([IPAddress.Parse("10.1.0.2"), IPAddress.Parse("10.1.0.3")]);

        Assert.Contains("meta l4proto tcp meta skuid >= 0 ip daddr { 10.1.0.2, 10.1.0.3 } snat ip to 169.254.7.127", script, StringComparison.Ordinal);
        Assert.DoesNotContain("ip6", script, StringComparison.Ordinal);
    }
}
