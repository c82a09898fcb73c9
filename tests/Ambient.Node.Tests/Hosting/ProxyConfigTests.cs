using Ambient.Node.Hosting.Options;
using Ambient.Node.Hosting.Variables;

namespace Ambient.Node.Tests.Hosting;

/// <summary>Settings of the mesh for all its proxies: a file, a variable over it, single variables over both.</summary>
public sealed class ProxyConfigTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("ambient-proxyconfig-");

    private string MeshFile => Path.Combine(_folder.FullName, "mesh");

    [Fact]
    [Trait("Reference", "config_from_proxyconfig")]
    public void FileThenVariable_ThenSingleVariables_EachOverTheOneBefore()
    {
        File.WriteAllText(MeshFile, """
            accessLogFile: /dev/stdout
            defaultConfig:
              discoveryAddress: istiod.from-file:15012
              proxyAdminPort: 15099
              statsPort: 15888
              concurrency: 3
              holdApplicationUntilProxyStarts: true
              proxyMetadata:
                ISTIO_META_FOO: foo
                ISTIO_META_BOTH: file
                CLUSTER_ID: file-cluster
            """);
        const string FromVariable = """{"discoveryAddress": "istiod.from-variable:15012", "proxyAdminPort": 15999, "proxyMetadata": {"ISTIO_META_BOTH": "variable", "NO_PREFIX": "plain"}}""";

        var file = Read(new());
        Assert.Equal((15099, 15888, 3), (file.Options.AdminPort, file.Options.StatsPort, file.Options.WorkerThreads));
        Assert.Equal(("istiod.from-file:15012", "foo", "file", "file-cluster"), (file.Xds, file["FOO"], file["BOTH"], file.ClusterId));

        var both = Read(new() { ["PROXY_CONFIG"] = FromVariable });
        Assert.Equal((15999, 15888, 3), (both.Options.AdminPort, both.Options.StatsPort, both.Options.WorkerThreads));
        Assert.Equal(("istiod.from-variable:15012", "foo", "variable", "plain"), (both.Xds, both["FOO"], both["BOTH"], both["NO_PREFIX"]));

        var all = Read(new()
        {
            ["PROXY_CONFIG"] = FromVariable, ["XDS_ADDRESS"] = "istiod.single:15012", ["ISTIO_META_BOTH"] = "single", ["ZTUNNEL_WORKER_THREADS"] = "5",
            ["ISTIO_META_CLUSTER_ID"] = "single-cluster",
        });
        Assert.Equal((15999, 15888, 5), (all.Options.AdminPort, all.Options.StatsPort, all.Options.WorkerThreads));
        Assert.Equal(("istiod.single:15012", "foo", "single", "single-cluster"), (all.Xds, all["FOO"], all["BOTH"], all.ClusterId));

        File.Delete(MeshFile);
        var variable = Read(new() { ["PROXY_CONFIG"] = FromVariable });
        Assert.Equal((15999, 15020), (variable.Options.AdminPort, variable.Options.StatsPort));
        Assert.Equal("istiod.from-variable:15012", variable.Xds);
        Assert.Null(variable["FOO"]);
        Assert.Empty(variable.Errors);
    }

    [Fact]
    public void MeshConfiguration_OfThePod_SaysWhatEveryNodeOfTheMeshDoes()
    {
        File.WriteAllText(MeshFile, "trustDomain: prod.example\ntrustDomainAliases: [old.example]\nrootNamespace: policies\naccessLogFile: \"\"\npathNormalization: {normalization: MERGE_SLASHES}\nofALaterVersion: 1\n");
        var options = Read(new()).Options.Host;
        Assert.Equal(("prod.example", "policies"), (options.TrustDomain, options.RootNamespace));
        var discovery = options.ToDiscoveryOptions();
        Assert.Equal(["old.example"], discovery.TrustDomainAliases);
        Assert.Equal((Ambient.Mesh.PathNormalization.MergeSlashes, false), (discovery.PathNormalization, discovery.LogsAccess));

        // Variables go before it; what is wrong is named.
        Assert.Equal("own.example", Read(new() { ["TRUST_DOMAIN"] = "own.example" }).Options.Host.TrustDomain);
        File.WriteAllText(MeshFile, "trustDomainAliases: [\"*\"]\n");
        Assert.Contains("trustDomainAliases[0]: \"*\" is not a trust domain", Assert.Single(Read(new()).Errors), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("# nothing\n")]
    [InlineData("defaultConfig:\n")]
    [InlineData("defaultConfig: {}\n")]
    [InlineData("trustDomain: example.org\n")]
    [InlineData("defaultConfig:\n  concurrency: 0\n")]
    public void FileThatSaysNothing_ChangesNothing(string yaml)
    {
        File.WriteAllText(MeshFile, yaml);

        var read = Read(new() { ["PROXY_CONFIG"] = "" });

        Assert.Empty(read.Errors);
        Assert.Equal((15000, 15020), (read.Options.AdminPort, read.Options.StatsPort));
        Assert.True(read.Options.WorkerThreads > 0);
    }

    [Fact]
    public void Mistakes_AreToldAllAtOnce_WithFileLineAndField()
    {
        File.WriteAllText(MeshFile, """
            defaultConfig:
              proxyAdminPort: many
              statsPort: 70000
            """);

        var read = Read(new() { ["PROXY_CONFIG"] = "concurrency: -1\nproxyMetadata: [a]\n" });

        Assert.Contains($"{MeshFile}:2:19: defaultConfig.proxyAdminPort: expected a whole number from 1 to 65535, found ", read.Errors[0], StringComparison.Ordinal);
        Assert.Contains($"{MeshFile}:3:14: defaultConfig.statsPort: expected a whole number from 1 to 65535", read.Errors[1], StringComparison.Ordinal);
        Assert.Contains("PROXY_CONFIG:1:14: concurrency: expected a whole number from 0 to 1024", read.Errors[2], StringComparison.Ordinal);
        Assert.Contains("PROXY_CONFIG:2:16: proxyMetadata: expected an object", read.Errors[3], StringComparison.Ordinal);
        Assert.Equal(4, read.Errors.Count);
    }

    [Theory]
    [InlineData("[1, 2]", "expected an object")]
    [InlineData("a: [", "PROXY_CONFIG:1:5: ")]
    [InlineData("\u0001", "PROXY_CONFIG:1:")]
    public void WhatIsNoObject_IsRefused(string text, string error)
    {
        Assert.Contains(error, Assert.Single(Read(new() { ["PROXY_CONFIG"] = text }).Errors), StringComparison.Ordinal);
    }

    [Fact]
    public void PortBeyondTheLast_IsRefused()
    {
        var read = Read(new() { ["PROXY_CONFIG"] = "statsPort: 60000", ["AMBIENT_PORT_OFFSET"] = "10000" });

        Assert.Contains("statsPort of ProxyConfig: with AMBIENT_PORT_OFFSET it is port 70000", Assert.Single(read.Errors), StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private Result Read(Dictionary<string, string> environment)
    {
        environment["FAKE_CA"] = "true";
        environment.TryAdd("LOCAL_XDS", "{}");
        var variables = new VariableReader(environment);
        return new Result(ZtunnelVariables.Read(variables, MeshFile), variables.Errors);
    }

    private sealed record Result(ZtunnelOptions Options, IReadOnlyList<string> Errors)
    {
        public string? Xds => Options.Host.Xds?.Server.Address.Authority;

        public string ClusterId => Options.Host.ClusterId;

        public string? this[string metadata] => Options.Host.Xds?.Metadata.GetValueOrDefault(metadata);
    }
}
