using System.Globalization;
using Ambient.Hbone;
using Ambient.Testing;
using Xunit;

namespace Ambient.EndToEnd.Tests.Ztunnel;

/// <summary>Ztunnels of dedicated mode as processes in network namespaces: what the original's own tests ask for (<c>tests/namespaced.rs</c> and <c>tests/direct.rs</c>).</summary>
[Trait("Needs", "Root")]
public sealed class DedicatedModeTests
{
    private const string Service = "http://10.96.0.10:9080/";

    [SkippableFact]
    public async Task KilledZtunnel_StartedAgain_CarriesTrafficAgain()
    {
        await using var pair = await DedicatedPair.StartAsync();
        Assert.Equal((0, "200"), await pair.CurlAsync(Service));

        Assert.NotEqual(0, await pair.Server.StopAsync("KILL"));
        Assert.NotEqual(0, (await pair.CurlAsync(Service, timeout: 10)).Exit);
        await using var again = await pair.StartZtunnelAsync(pair.Network.Server, "default/productpage-v1/bookinfo-productpage");

        Assert.Equal((0, "200"), await pair.CurlAsync(Service));
        await again.WaitForAccessLinesAsync(1);
    }

    [SkippableFact]
    [Trait("Reference", "test_conflicting_bind_error_admin")]
    [Trait("Reference", "test_conflicting_bind_error_outbound")]
    public async Task ConflictingPort_StopsTheStartAndIsNamed()
    {
        await using var pair = await DedicatedPair.StartAsync();

        // Everything of the second is taken by the first; the offset moves only its three HTTP ports.
        var e = await Assert.ThrowsAnyAsync<Exception>(() => pair.StartZtunnelAsync(
            pair.Network.Client, "default/sleep/sleep", more: new() { ["AMBIENT_PORT_OFFSET"] = "1000" }));
        Assert.Contains("outbound: cannot listen on [::]:15001: Address already in use (os error 98)", e.Message, StringComparison.Ordinal);

        e = await Assert.ThrowsAnyAsync<Exception>(() => pair.StartZtunnelAsync(pair.Network.Client, "default/sleep/sleep"));
        Assert.Contains("admin: cannot listen on 127.0.0.1:15000", e.Message, StringComparison.Ordinal);
    }

    [SkippableTheory]
    [Trait("Reference", "test_conflicting_bind_error_inbound")]
    [Trait("Reference", "test_conflicting_bind_error_inbound_plaintext")]
    [InlineData(15006)]
    [InlineData(15008)]
    public async Task ConflictingInboundPort_StopsTheStartAndIsNamed(int port)
    {
        await using var pair = await DedicatedPair.StartAsync();
        await pair.Client.StopAsync("TERM");
        using var taker = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(
            "ip", ["netns", "exec", pair.Network.Client, "python3", "-c", $"import socket,sys; s=socket.create_server(('', {port})); print('listening', flush=True); sys.stdin.read()"])
        { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        try
        {
            Assert.Equal("listening", await taker.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(30)));

            var e = await Assert.ThrowsAnyAsync<Exception>(() => pair.StartZtunnelAsync(pair.Network.Client, "default/sleep/sleep"));

            Assert.Contains($"cannot listen on [::]:{port}: Address already in use (os error 98)", e.Message, StringComparison.Ordinal);
        }
        finally
        {
            taker.Kill();
            await taker.WaitForExitAsync();
        }
    }

    [SkippableTheory]
    [InlineData("TERM")]
    [InlineData("INT")]
    public async Task Signal_DrainsAndExitsWithZero(string signal)
    {
        await using var pair = await DedicatedPair.StartAsync();
        Assert.Equal((0, "200"), await pair.CurlAsync(Service));

        Assert.Equal(0, await pair.Client.StopAsync(signal));

        Assert.Contains(pair.Client.Lines, line => line.Contains($"SIG{signal}: draining", StringComparison.Ordinal));
    }

    /// <summary>Both engines as a whole process has them, chosen by the variable, and each against the other.</summary>
    [SkippableTheory]
    [InlineData("openssl", "openssl")]
    [InlineData("managed", "openssl")]
    [InlineData("openssl", "managed")]
    public async Task TlsEngine_IsTheVariables_AndNamedInTheLogAndTheDump(string client, string server)
    {
        await using var pair = await DedicatedPair.StartAsync(more: new() { ["AMBIENT_TLS"] = server });
        await pair.Client.StopAsync();
        await using var other = await pair.StartZtunnelAsync(pair.Network.Client, "default/sleep/sleep", more: new() { ["AMBIENT_TLS"] = client });

        Assert.Equal((0, "200"), await pair.CurlAsync(Service));

        foreach (var (ztunnel, engine) in new[] { (other, client), (pair.Server, server) })
        {
            var told = Assert.Single(ztunnel.Lines, static line => line.Contains("TLS: ", StringComparison.Ordinal) && !line.Contains("wide vectors", StringComparison.Ordinal));
            using var dump = System.Text.Json.JsonDocument.Parse(await ztunnel.GetAsync(15000, "/config_dump"));
            var shown = dump.RootElement.GetProperty("version").GetProperty("cryptoProvider").GetString()!;
            Assert.EndsWith($"TLS: {shown}", told, StringComparison.Ordinal);

            // Where this machine's OpenSSL could be faster, that is said once.
            Assert.Equal(HboneTls.Advice is null ? 0 : 1, ztunnel.Lines.Count(static line => line.EndsWith($"TLS: {HboneTls.Advice}", StringComparison.Ordinal)));
            Assert.Matches(engine == "openssl" ? "^OpenSSL 3.*, called directly$" : @"^SslStream over OpenSSL 3.*\(AMBIENT_TLS=managed\)$", shown);
        }
    }

    [SkippableFact]
    public async Task QuitQuitQuit_OnlyByPost_DrainsAndExits()
    {
        await using var pair = await DedicatedPair.StartAsync();

        Assert.Equal("method not allowed\n", await pair.Client.GetAsync(15000, "/quitquitquit"));
        Assert.Equal("shutdown now\n", await pair.Client.GetAsync(15000, "/quitquitquit", "-X POST"));

        Assert.Equal(0, await pair.Client.ExitAsync());
    }

    [SkippableFact]
    [Trait("Reference", "trust_domain_mismatch_rejected")]
    public async Task WorkloadOfAnotherTrustDomain_IsRefused()
    {
        // The server knows sleep under another trust domain than its own: whoever shows such a certificate stays out.
        var yaml = (await File.ReadAllTextAsync(GoldenFolder.Require("ztunnel", "local.yaml"))).Replace(
            "serviceAccount: sleep", "serviceAccount: sleeper", StringComparison.Ordinal);
        await using var pair = await DedicatedPair.StartAsync(localYaml: yaml.Replace(
            "serviceAccount: sleeper", "serviceAccount: sleep", StringComparison.Ordinal).Replace(
            "name: productpage-v1\n  namespace: default\n  trustDomain: cluster.local", "name: productpage-v1\n  namespace: default\n  trustDomain: clusterset.local", StringComparison.Ordinal));

        Assert.NotEqual(0, (await pair.CurlAsync(Service, timeout: 15)).Exit);

        var line = (await pair.Client.WaitForAccessLinesAsync(1))[0];
        Assert.Contains("error=", line, StringComparison.Ordinal);
        Assert.DoesNotContain("bytes_recv=1", line, StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task PlaintextToTheWorkload_IsDeliveredAndLogged_AndPolicyHolds()
    {
        await using var pair = await DedicatedPair.StartAsync();

        // From the uncaptured address of the server's own side nothing is redirected; from the client's, with the mark, only at the server.
        var marked = await Command.ShellAsync(
            $"ip netns exec {pair.Network.Client} iptables -t nat -I OUTPUT -p tcp -d 10.77.0.3 -j ACCEPT && echo done");
        Assert.Equal("done", marked.Trim());

        Assert.Equal((0, "200"), await pair.CurlAsync("http://10.77.0.3:8080/"));
        Assert.NotEqual(0, (await pair.CurlAsync("http://10.77.0.3:9999/")).Exit);

        var lines = await pair.Server.WaitForAccessLinesAsync(2);
        Assert.Contains("dst.addr=10.77.0.3:8080 dst.workload=\"productpage-v1\"", lines[0], StringComparison.Ordinal);
        Assert.DoesNotContain("identity", lines[0], StringComparison.Ordinal);
        Assert.Contains("explicitly denied by: default/deny-9999", lines[1], StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task CallsToZtunnelsOwnPorts_GoNowhere()
    {
        await using var pair = await DedicatedPair.StartAsync();
        foreach (var port in (int[])[15001, 15006, 15008])
        {
            foreach (var address in (string[])["10.77.0.2", "127.0.0.1"])
            {
                var (exit, _) = await pair.CurlAsync(string.Create(CultureInfo.InvariantCulture, $"http://{address}:{port}/"), timeout: 10);
                Assert.NotEqual(0, exit);
            }
        }

        Assert.Equal((0, "200"), await pair.CurlAsync(Service));
        Assert.False(pair.Client.HasExited);
    }

    [SkippableFact]
    public async Task Settings_ThatAreWrong_AreAllNamedAndExitIsOne()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "needs Linux");
        await using var ztunnel = ZtunnelProcess.Start(null, new() { ["PROXY_MODE"] = "sideways", ["IPV6_ENABLED"] = "si", ["AMBIENT_MANIFESTS"] = "", ["LOCAL_XDS_PATH"] = "" });

        await ztunnel.WaitForLineAsync("not started");

        Assert.Equal(1, await ztunnel.ExitAsync());
        Assert.Contains(ztunnel.Lines, line => line.StartsWith("ztunnel: PROXY_MODE: \"sideways\" is not one of loopback, dedicated, shared", StringComparison.Ordinal));
        Assert.Contains(ztunnel.Lines, line => line.StartsWith("ztunnel: IPV6_ENABLED: \"si\"", StringComparison.Ordinal));
    }
}
