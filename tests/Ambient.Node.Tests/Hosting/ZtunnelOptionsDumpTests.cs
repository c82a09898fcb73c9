using System.Text.Json;
using Ambient.Node.Hosting.Variables;
using Ambient.Node.Hosting.Ztunnel;

namespace Ambient.Node.Tests.Hosting;

/// <summary>What /config_dump and the log's first lines say of the settings, as the original writes them (ztunnel <c>config.rs</c>).</summary>
public sealed class ZtunnelOptionsDumpTests
{
    [Fact]
    public void Settings_AreShownAsTheyAre()
    {
        using var folder = new TemporaryFile("-----BEGIN CERTIFICATE-----");
        var dump = Dump(new()
        {
            ["PROXY_MODE"] = "shared",
            ["XDS_ADDRESS"] = "istiod:15012",
            ["CA_ADDRESS"] = "ca:15012",
            ["ALT_XDS_HOSTNAME"] = "istiod.other",
            ["ALT_CA_HOSTNAME"] = "ca.other",
            ["XDS_ROOT_CA"] = folder.Path,
            ["CA_ROOT_CA"] = "SYSTEM",
            ["CRL_PATH"] = "/crl.pem",
            ["INPOD_UDS"] = "/run/z.sock",
            ["INPOD_PORT_REUSE"] = "false",
            ["LOCALHOST_APP_TUNNEL"] = "false",
            ["PREFERED_SERVICE_NAMESPACE"] = "shop",
            ["ISTIO_META_DNS_PROXY_ADDR"] = "127.0.0.1:5353",
            ["ISTIO_META_CLUSTER_ID"] = "c1",
            ["TRUST_DOMAIN"] = "td",
            ["POD_NAME"] = "z-1",
            ["POD_NAMESPACE"] = "istio-system",
            ["SERVICE_ACCOUNT"] = "ztunnel",
        });

        var expected = """
            {"adminAddr":{"Localhost":[true,15000]},"altCaHostname":"ca.other","altXdsHostname":"istiod.other","caAddress":"https://ca:15012","caRootCert":"Default",
             "crlPath":"/crl.pem","dnsProxy":true,"dnsProxyAddr":{"SocketAddr":"127.0.0.1:5353"},"inpodPortReuse":false,"inpodUds":"/run/z.sock","localhostAppTunnel":false,
             "preferedServiceNamespace":"shop","proxy":true,"proxyMetadata":{"CLUSTER_ID":"c1","DNS_PROXY_ADDR":"127.0.0.1:5353"},"proxyWorkloadInformation":null,
             "xdsAddress":"https://istiod:15012","ztunnelIdentity":"spiffe://td/ns/istio-system/sa/ztunnel",
             "ztunnelWorkload":{"name":"z-1","namespace":"istio-system","serviceAccount":"ztunnel"}}
            """;
        using var wanted = JsonDocument.Parse(expected);
        foreach (var setting in wanted.RootElement.EnumerateObject())
        {
            Assert.Equal((setting.Name, JsonSerializer.Serialize(setting.Value)), (setting.Name, JsonSerializer.Serialize(dump.GetProperty(setting.Name))));
        }

        Assert.Equal(folder.Path, dump.GetProperty("xdsRootCert").GetProperty("File").GetString());
    }

    [Fact]
    public void WorkloadApi_IsShownWhereThereIsOne()
    {
        var environment = new Dictionary<string, string> { ["PROXY_MODE"] = "shared", ["XDS_ADDRESS"] = "istiod:15012", ["CA_ADDRESS"] = "ca:15012" };
        Assert.False(Dump(environment).TryGetProperty("spiffeEndpointSocket", out _));

        environment.Remove("CA_ADDRESS");
        environment["SPIFFE_ENDPOINT_SOCKET"] = "unix:///run/agent.sock";

        Assert.Equal("unix:///run/agent.sock", Dump(environment).GetProperty("spiffeEndpointSocket").GetString());
        Assert.Equal(JsonValueKind.Null, Dump(environment).GetProperty("caAddress").ValueKind);
    }

    [Fact]
    public void Secrets_AreNotShown()
    {
        var environment = new Dictionary<string, string>
        {
            ["PROXY_MODE"] = "shared",
            ["XDS_ADDRESS"] = "istiod:15012",
            ["CA_ADDRESS"] = "istiod:15012",
            ["AUTH_TOKEN"] = "s3cret",
            ["XDS_HEADER_X-Key"] = "s3cret",
            ["CA_HEADER_X-Other"] = "s3cret",
        };
        var line = ZtunnelOptionsDump.Line(ZtunnelVariables.Read(new VariableReader(environment)));

        Assert.DoesNotContain("s3cret", line, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', line);
        Assert.Contains("\"xdsHeaders\":[\"x-key\"]", line, StringComparison.Ordinal);
        Assert.Contains("\"caHeaders\":[\"x-other\"]", line, StringComparison.Ordinal);
    }

    private static JsonElement Dump(Dictionary<string, string> environment)
    {
        var variables = new VariableReader(environment);
        var options = ZtunnelVariables.Read(variables);
        Assert.Empty(variables.Errors);
        using var document = JsonDocument.Parse(ZtunnelOptionsDump.Line(options));
        return document.RootElement.Clone();
    }

    private sealed class TemporaryFile : IDisposable
    {
        public TemporaryFile(string content) => File.WriteAllText(Path, content);

        public string Path { get; } = System.IO.Path.GetTempFileName();

        public void Dispose() => File.Delete(Path);
    }
}
