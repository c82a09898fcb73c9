using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Variables;

namespace Ambient.Node.Tests.Hosting;

public sealed class ZtunnelVariablesTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("ambient-variables-");

    [Fact]
    public void Read_LoopbackWithFolderAndAuthority_HasTheReferencesDefaults()
    {
        var (options, variables) = Read(Loopback());

        Assert.Empty(variables.Errors);
        Assert.Equal(ZtunnelMode.Loopback, options.Mode);
        Assert.Equal(4 * 1024 * 1024, options.StreamWindowSize);
        Assert.Equal(16 * 1024 * 1024, options.ConnectionWindowSize);
        Assert.Equal(1024 * 1024, options.FrameSize);
        Assert.Equal(100, options.PoolMaxStreams);
        Assert.Equal(TimeSpan.FromMinutes(5), options.PoolUnusedReleaseTimeout);
        Assert.Equal(TimeSpan.FromSeconds(5), options.Host.TerminationDeadline);
        Assert.Equal("Kubernetes", options.Host.ClusterId);
        Assert.True(options.ResponseBaggage);
        Assert.Null(options.PacketMark);
    }

    [Theory]
    [InlineData("PROXY_MODE", "sharde")]
    [InlineData("IPV6_ENABLED", "yes")]
    [InlineData("HTTP2_FRAME_SIZE", "1")]
    [InlineData("POOL_UNUSED_RELEASE_TIMEOUT", "5 parsecs")]
    [InlineData("KEEPALIVE_TIME", "0s")]
    [InlineData("SECRET_TTL", "0s")]
    [InlineData("SECRET_TTL", "999ms")]
    [InlineData("LOG_FORMAT", "xml")]
    [InlineData("RUST_LOG", "loud")]
    [InlineData("TRUST_DOMAIN", "Not A Domain")]
    [InlineData("PACKET_MARK", "x")]
    [InlineData("AMBIENT_MANIFESTS", "/nonexistent/folder")]
    [InlineData("ENABLE_PROXY", "false")]
    public void Read_UnknownValue_IsAnErrorThatNamesTheVariable(string name, string value)
    {
        var environment = Loopback();
        environment[name] = value;

        var (_, variables) = Read(environment);

        Assert.Contains(variables.Errors, error => error.StartsWith(name, StringComparison.Ordinal));
    }

    [Fact]
    public void Read_SeveralWrongValues_AreAllReportedAtOnce()
    {
        var environment = Loopback();
        environment["IPV6_ENABLED"] = "maybe";
        environment["PACKET_MARK"] = "-1";
        environment["SECRET_TTL"] = "soon";

        var (_, variables) = Read(environment);

        Assert.Equal(3, variables.Errors.Count);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("default/sleep")]
    [InlineData("default/sleep/")]
    [InlineData("a/b/c/d")]
    public void Read_DedicatedWithoutAWorkload_IsAnError(string? workload)
    {
        var environment = Loopback();
        environment["PROXY_MODE"] = "dedicated";
        if (workload is not null)
        {
            environment["PROXY_WORKLOAD_INFO"] = workload;
        }

        var (_, variables) = Read(environment);

        Assert.Contains(variables.Errors, error => error.StartsWith("PROXY_WORKLOAD_INFO", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("30", null, 25)]
    [InlineData("11", null, 6)]
    [InlineData("10", null, 9)]
    [InlineData("1", null, 1)]
    [InlineData("30", "7s", 7)]
    [InlineData(null, null, 5)]
    public void Read_TerminationSettings_GiveTheDrainDeadline(string? grace, string? deadline, int seconds)
    {
        var environment = Loopback();
        Set(environment, "TERMINATION_GRACE_PERIOD_SECONDS", grace);
        Set(environment, "CONNECTION_TERMINATION_DEADLINE", deadline);

        var (options, variables) = Read(environment);

        Assert.Empty(variables.Errors);
        Assert.Equal(TimeSpan.FromSeconds(seconds), options.Host.TerminationDeadline);
    }

    [Fact]
    public void Read_VariablesOfLaterFeatures_AreAcceptedAndMentioned()
    {
        var environment = Loopback();
        environment["TLS12_ENABLED"] = "true";

        var (_, variables) = Read(environment);

        Assert.Empty(variables.Errors);
        Assert.Contains("TLS12_ENABLED", Assert.Single(variables.Notices), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("true", true)]
    [InlineData("false", false)]
    [InlineData("1", false)]
    [InlineData("TRUE", false)]
    public void Read_SwitchesOfTheReference_AreOnForTrueAlone(string value, bool on)
    {
        var environment = Loopback();
        environment["AUTHZ_POLICY_INFO_LOGGING"] = value;
        environment["TLS12_ENABLED"] = value;

        var (options, variables) = Read(environment);

        Assert.Empty(variables.Errors);
        Assert.Equal(on, options.LogPolicyDecisions);
        Assert.Equal(on ? 1 : 0, variables.Notices.Count);
    }

    [Theory]
    [InlineData("dedicated", "true", true)]
    [InlineData("dedicated", "false", false)]
    [InlineData("shared", "true", true)]
    [InlineData("loopback", "true", false)]
    public void Read_WithoutProxy_NamesAreLeft_OrNothing(string mode, string dns, bool good)
    {
        var environment = Loopback();
        environment["PROXY_MODE"] = mode;
        environment["PROXY_WORKLOAD_INFO"] = "ns/name/sa";
        environment["ENABLE_PROXY"] = "false";
        environment["ISTIO_META_DNS_CAPTURE"] = dns;

        var (options, variables) = Read(environment);

        Assert.False(options.Proxy);
        Assert.Equal(good, variables.Errors.Count == 0);
        Assert.All(variables.Errors, error => Assert.StartsWith("ENABLE_PROXY", error, StringComparison.Ordinal));
    }

    [Fact]
    public void Read_NoSource_SaysWhatToSet()
    {
        var (_, variables) = Read(new() { ["PROXY_MODE"] = "loopback", ["FAKE_CA"] = "true" });

        var error = Assert.Single(variables.Errors);
        Assert.Contains("AMBIENT_MANIFESTS", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("istiod.istio-system.svc:15012", "https://istiod.istio-system.svc:15012/")]
    [InlineData("https://istiod:15012", "https://istiod:15012/")]
    public void Read_ControlPlane_IsReachedByTls(string address, string uri)
    {
        var (options, variables) = Read(new()
        {
            ["PROXY_MODE"] = "dedicated",
            ["PROXY_WORKLOAD_INFO"] = "ns/name/sa",
            ["XDS_ADDRESS"] = address,
            ["CA_ADDRESS"] = address,
            ["ALT_XDS_HOSTNAME"] = "other",
            ["XDS_ROOT_CA"] = "SYSTEM",
            ["XDS_HEADER_X-Mine"] = "yes",
            ["ISTIO_META_CLUSTER_ID"] = "c1",
        });

        Assert.Empty(variables.Errors);
        Assert.Equal(uri, options.Host.Xds!.Server.Address.ToString());
        Assert.Equal(("other", "SYSTEM", "c1"), (options.Host.Xds.Server.AlternativeName, options.Host.Xds.Server.Roots, options.Host.Xds.Server.ClusterId));
        Assert.Equal("x-mine", Assert.Single(options.Host.Xds.Server.Headers).Key);
        Assert.Equal("c1", options.Host.Xds.Metadata["CLUSTER_ID"]);
        Assert.Equal(uri, options.Host.CertificateAuthority!.Address.ToString());
        Assert.True(options.Host.UsesMachineRoots);
        Assert.False(options.ToMeshRuntime().Authority.Impersonate);
    }

    [Theory]
    [Trait("Reference", "invalid_dns_proxy_addr_returns_error")]
    [InlineData("localhost", false)]
    [InlineData("localhost:x", false)]
    [InlineData("10.0.0.1", false)]
    [InlineData("localhost:15054", true)]
    [InlineData("10.0.0.1:53", true)]
    public void Read_AddressOfDns_IsOneWithAPort(string address, bool good)
    {
        var environment = Loopback();
        environment["ISTIO_META_DNS_PROXY_ADDR"] = address;

        var (options, variables) = Read(environment);

        Assert.Equal(good, variables.Errors.Count == 0);
        Assert.Equal(good, options.DnsAddress is not null);
        Assert.All(variables.Errors, error => Assert.StartsWith("ISTIO_META_DNS_PROXY_ADDR", error, StringComparison.Ordinal));
    }

    [Fact]
    public void Read_InACluster_IstiodIsTheDefault()
    {
        var (options, variables) = Read(new()
        {
            ["PROXY_MODE"] = "dedicated",
            ["PROXY_WORKLOAD_INFO"] = "ns/name/sa",
            ["KUBERNETES_SERVICE_HOST"] = "10.96.0.1",
        });

        Assert.Empty(variables.Errors);
        Assert.Equal("istiod.istio-system.svc", options.Host.Xds!.Server.Address.Host);
        Assert.Equal(15012, options.Host.CertificateAuthority!.Address.Port);
    }

    [Theory]
    [InlineData("XDS_ADDRESS", "http://istiod:15010")]
    [InlineData("XDS_ADDRESS", "https://")]
    [InlineData("XDS_HEADER_bad name", "x")]
    [InlineData("CA_HEADER_grpc-x", "x")]
    [InlineData("XDS_HEADER_x", "line\nbreak")]
    [InlineData("ISTIO_METAJSON_X", "{")]
    public void Read_BadControlPlaneSettings_AreErrorsThatNameTheVariable(string name, string value)
    {
        var environment = Loopback();
        environment[name] = value;

        var (_, variables) = Read(environment);

        Assert.Contains(variables.Errors, error => error.StartsWith(name, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("unix:///run/spire/sockets/agent.sock", false)]
    [InlineData("unix:/run/spire/sockets/agent.sock", false)]
    [InlineData("tcp://127.0.0.1:8081", false)]
    [InlineData("tcp://10.0.0.1:8081", true)]
    public void Read_WorkloadApi_IsTheAuthority_InsteadOfIstiod(string socket, bool noted)
    {
        var environment = Loopback();
        environment.Remove("AMBIENT_CA_DIR");
        environment["KUBERNETES_SERVICE_HOST"] = "10.96.0.1";
        environment["SPIFFE_ENDPOINT_SOCKET"] = socket;

        var (options, variables) = Read(environment);

        Assert.Empty(variables.Errors);
        Assert.Equal(socket, options.ToMeshRuntime().Authority.WorkloadApi!.Text);
        Assert.Null(options.Host.CertificateAuthority);
        Assert.Equal(noted, variables.Notices.Any(notice => notice.StartsWith("SPIFFE_ENDPOINT_SOCKET: private keys", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("/run/spire/sockets/agent.sock", "neither unix:///path nor tcp://address:port")]
    [InlineData("unix://run/agent.sock", "not absolute")]
    [InlineData("tcp://spire-agent:8081", "no name")]
    public void Read_WorkloadApiThatIsNone_IsOneErrorThatSaysWhy(string socket, string reason)
    {
        var environment = Loopback();
        environment.Remove("AMBIENT_CA_DIR");
        environment["SPIFFE_ENDPOINT_SOCKET"] = socket;

        var (_, variables) = Read(environment);

        var error = Assert.Single(variables.Errors);
        Assert.StartsWith($"SPIFFE_ENDPOINT_SOCKET: \"{socket}\": ", error, StringComparison.Ordinal);
        Assert.Contains(reason, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("CA_ADDRESS", "istiod.istio-system.svc:15012")]
    [InlineData("AMBIENT_CA_DIR", "/var/lib/ambient")]
    [InlineData("FAKE_CA", "true")]
    public void Read_WorkloadApiBesideAnotherAuthority_IsAnErrorThatNamesBoth(string name, string value)
    {
        var environment = Loopback();
        environment.Remove("AMBIENT_CA_DIR");
        environment["SPIFFE_ENDPOINT_SOCKET"] = "unix:///run/agent.sock";
        environment[name] = value;

        var (_, variables) = Read(environment);

        Assert.StartsWith($"SPIFFE_ENDPOINT_SOCKET and {name}: only one of them may be set", Assert.Single(variables.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_TwoSources_AreAnErrorLikeAnyOther()
    {
        var environment = Loopback();
        environment["LOCAL_XDS"] = "{}";
        environment["PACKET_MARK"] = "x";

        var (_, variables) = Read(environment);

        Assert.Equal(2, variables.Errors.Count);
        Assert.Contains(variables.Errors, error => error.Contains("only one of them", StringComparison.Ordinal));
    }

    [Fact]
    public void Read_Declares_EveryVariableOnce()
    {
        var (_, variables) = Read(Loopback());

        var names = variables.Declared.Select(variable => variable.Name).ToList();
        Assert.Equal(names.Distinct().Count(), names.Count);
        Assert.Contains("INPOD_UDS", names);
        Assert.Contains("XDS_HEADER_*", names);
        Assert.All(variables.Declared, variable => Assert.NotEmpty(variable.Meaning));
    }

    [Theory]
    [InlineData("5m", 300_000)]
    [InlineData("100ms", 100)]
    [InlineData("24h", 86_400_000)]
    [InlineData("1h30m", 5_400_000)]
    [InlineData("1.5s", 1_500)]
    [InlineData("1w", 604_800_000)]
    [InlineData(" 2 s ", 2_000)]
    public void DurationSyntax_Legal_IsRead(string text, double milliseconds)
    {
        Assert.True(DurationSyntax.TryParse(text, out var value));
        Assert.Equal(milliseconds, value.TotalMilliseconds);
    }

    [Theory]
    [InlineData("")]
    [InlineData("5")]
    [InlineData("m")]
    [InlineData("-5s")]
    [InlineData("5x")]
    [InlineData("1..5s")]
    [InlineData("99999999999h")]
    public void DurationSyntax_Illegal_IsRefused(string text) => Assert.False(DurationSyntax.TryParse(text, out _));

    public void Dispose() => _folder.Delete(recursive: true);

    private static (ZtunnelOptions Options, VariableReader Variables) Read(Dictionary<string, string> environment)
    {
        var variables = new VariableReader(environment);
        return (ZtunnelVariables.Read(variables), variables);
    }

    private static void Set(Dictionary<string, string> environment, string name, string? value)
    {
        if (value is not null)
        {
            environment[name] = value;
        }
    }

    private Dictionary<string, string> Loopback() => new()
    {
        ["PROXY_MODE"] = "loopback",
        ["AMBIENT_MANIFESTS"] = _folder.FullName,
        ["AMBIENT_CA_DIR"] = Path.Combine(_folder.FullName, "ca"),
    };
}
