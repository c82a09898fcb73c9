using Ambient.Node.Capture.Dns;
using Ambient.Node.Hosting.Variables;
using Ambient.Node.Telemetry.Logging;
using Ambient.Testing.Fuzzing;

namespace Ambient.Node.Tests.Hosting;

/// <summary>Settings as operators mistype them: read, or told with the name of the setting.</summary>
public sealed class SettingFuzzTests
{
    [Fact]
    [Trait("Category", "Fuzz")]
    public void Variables_Damaged_AreReadOrToldByName()
    {
        (string Name, string Value)[] good =
        [
            ("PROXY_CONFIG", "discoveryAddress: istiod:15012\nproxyAdminPort: 15000\nstatsPort: 15020\nconcurrency: 2\nproxyMetadata:\n  ISTIO_META_A: b\n"),
            ("XDS_ADDRESS", "https://istiod.istio-system.svc:15012"),
            ("CA_ADDRESS", "istiod.istio-system.svc:15012"),
            ("TERMINATION_GRACE_PERIOD_SECONDS", "30s"),
            ("SECRET_TTL", "24h"),
            ("RUST_LOG", "info,access=debug"),
            ("ISTIO_META_DNS_PROXY_ADDR", "127.0.0.1:15053"),
            ("CLUSTER_ID", "Kubernetes"),
            ("TRUST_DOMAIN", "cluster.local"),
            ("POOL_MAX_STREAMS_PER_CONNECTION", "100"),
            ("HTTP2_STREAM_WINDOW_SIZE", "4194304"),
            ("PROXY_MODE", "shared"),
            ("ZTUNNEL_WORKER_THREADS", "2"),
            ("IPV6_ENABLED", "true"),
        ];
        var told = 0;
        FuzzBudget.Run(3000, random =>
        {
            var environment = new Dictionary<string, string> { ["FAKE_CA"] = "true", ["LOCAL_XDS"] = "{}" };
            var (name, value) = good[random.Next(good.Length)];
            environment[name] = Damage.Of(value, random, ":", "\n", " ", "-", "{", "[", "0x", "1e99", "\t");
            var variables = new VariableReader(environment);
            ZtunnelVariables.Read(variables, "/nonexistent");
            told += variables.Errors.Count > 0 ? 1 : 0;
            Assert.All(variables.Errors, error => Assert.NotEmpty(error));
        });
        Assert.True(told > 100, $"only {told} were refused");
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public void LogFilter_ThatIsRead_ReadsTheSameFromWhatItWrites() => FuzzBudget.Run(20_000, random =>
    {
        var text = Damage.Of("info,access=debug,ztunnel::proxy=trace", random, ",", "=", "off", "warn", "error=", " ");
        if (!LogFilter.TryParse(text, out var filter, out var error))
        {
            Assert.NotNull(error);
            return;
        }

        Assert.True(LogFilter.TryParse(filter.ToString(), out var again, out _), filter.ToString());
        Assert.Equal(filter.ToString(), again.ToString());
        Assert.Equal(filter.LevelOf("access"), again.LevelOf("access"));
    });

    [Fact]
    [Trait("Category", "Fuzz")]
    public void Duration_OfAnyText_IsWithinBoundsOrRefused() => FuzzBudget.Run(50_000, random =>
    {
        if (DurationSyntax.TryParse(Damage.Of("1h30m 5.5s", random, "ns", "mon", "y", "9999", ".", "µs", "-"), out var value))
        {
            Assert.InRange(value, TimeSpan.Zero, TimeSpan.FromDays(1000));
        }
    });

    [Fact]
    [Trait("Category", "Fuzz")]
    public void ResolverConfig_Damaged_HasAtMostThreeServers() => FuzzBudget.Run(10_000, random =>
    {
        var text = Damage.Of("# c\nnameserver 10.96.0.10\nnameserver fd00::1\nsearch app.svc.cluster.local svc.cluster.local\noptions ndots:5\n", random, "nameserver ", "search ", "\t", "\n", "domain .");
        var config = ResolverConfig.Parse(text.Split('\n'));
        Assert.InRange(config.Servers.Length, 0, 3);
        Assert.DoesNotContain(config.Search, domain => domain.StartsWith('.') || domain.EndsWith('.'));
    });
}
