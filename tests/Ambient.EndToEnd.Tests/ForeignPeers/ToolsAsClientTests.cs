using Ambient.Identity;
using Ambient.Testing.Certificates;

namespace Ambient.EndToEnd.Tests.ForeignPeers;

/// <summary>
/// OpenSSL's client, curl and nghttp at our listener: who has no business there is refused with an alert or a status, and
/// the log says why.
/// </summary>
public class ToolsAsClientTests
{
    public static TheoryData<string, string> Certificates => new()
    {
        { "none", "no certificate" },
        { "expired", "expired" },
        { "not yet valid", "not valid before" },
        { "self-signed", "chain" },
        { "another root", "chain" },
        { "another trust domain", "other.domain" },
        { "server only", "usage" },
        { "two URIs", "URI" },
    };

    [SkippableTheory]
    [MemberData(nameof(Certificates))]
    public async Task OpenSsl_CertificateThatIsNotAccepted_IsRefusedAndLogged(string what, string reason)
    {
        await using var host = new HboneHost(Tunnels.EchoAsync);
        using var files = FilesOf(what, host);
        string[] credentials = files is null ? [] : ["-cert", files.ChainPath, "-key", files.KeyPath];
        var (exitCode, output) = await Tool.RunAsync("openssl", "", ["s_client", "-connect", host.EndPoint.ToString(), "-tls1_3", "-alpn", "h2", "-brief", .. credentials]);

        // With TLS 1.3 a client is done before the server has seen its certificate: like the reference, ours just hangs up.
        Assert.DoesNotContain("no connection preface", output, StringComparison.Ordinal);
        Assert.True(exitCode is 0 or 1, output);
        var failure = await host.FailureAsync();
        Assert.Contains(reason, failure.Reason, StringComparison.OrdinalIgnoreCase);
        Assert.Equal((host.EndPoint, host.EndPoint.Address), (failure.LocalEndPoint, failure.RemoteEndPoint.Address));
    }

    [SkippableFact]
    public async Task OpenSsl_Tls12_IsRefusedWithProtocolVersion()
    {
        await using var host = new HboneHost(Tunnels.EchoAsync);
        using var files = new PemFiles(host.Authority.Issue(host.ClientId));
        var (exitCode, output) = await Tool.RunAsync("openssl", "", "s_client", "-connect", host.EndPoint.ToString(), "-tls1_2", "-cert", files.ChainPath, "-key", files.KeyPath);
        Assert.True(exitCode != 0, output);
        Assert.Contains("alert protocol version", output, StringComparison.Ordinal);
        Assert.Contains("TLS handshake failed", (await host.FailureAsync()).Reason, StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task OpenSsl_OtherCipherSuites_IsRefused()
    {
        await using var host = new HboneHost(Tunnels.EchoAsync);
        using var files = new PemFiles(host.Authority.Issue(host.ClientId));
        var (exitCode, output) = await Tool.RunAsync(
            "openssl", "", "s_client", "-connect", host.EndPoint.ToString(), "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256", "-cert", files.ChainPath, "-key", files.KeyPath);
        Assert.True(exitCode != 0, output);
        Assert.Contains("handshake failure", output, StringComparison.Ordinal);
    }

    [SkippableTheory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task OpenSsl_Http11Connect_IsToldGoAwayAndLogged(bool alpn)
    {
        await using var host = new HboneHost(Tunnels.EchoAsync);
        using var files = new PemFiles(host.Authority.Issue(host.ClientId));
        string[] protocol = alpn ? ["-alpn", "h2"] : [];
        var (_, output) = await Tool.RunAsync(
            "openssl",
            "CONNECT 10.0.0.1:80 HTTP/1.1\r\nHost: 10.0.0.1:80\r\n\r\n",
            ["s_client", "-connect", host.EndPoint.ToString(), "-quiet", "-cert", files.ChainPath, "-key", files.KeyPath, .. protocol]);
        Assert.True(output.Contains("no connection preface", StringComparison.Ordinal), System.Text.Json.JsonSerializer.Serialize(output)); // the GOAWAY's debug data
        Assert.Contains("no connection preface", (await host.FailureAsync()).Reason, StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task Curl_Http11OnlyInAlpn_IsRefusedWithNoApplicationProtocol()
    {
        await using var host = new HboneHost(Tunnels.EchoAsync);
        using var files = new PemFiles(host.Authority.Issue(host.ClientId));
        var (exitCode, output) = await Tool.RunAsync(
            "curl", "", "-sS", "-k", "--http1.1", "--cert", files.ChainPath, "--key", files.KeyPath, $"https://{host.EndPoint}/");
        Assert.True(exitCode == 35, output);
        Assert.Contains("alert no application protocol", output, StringComparison.Ordinal);
        Assert.Contains("TLS handshake failed", (await host.FailureAsync()).Reason, StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task Curl_GetOverHttp2_Is400()
    {
        await using var host = new HboneHost(Tunnels.EchoAsync);
        using var files = new PemFiles(host.Authority.Issue(host.ClientId));
        var (exitCode, output) = await Tool.RunAsync(
            "curl", "", "-sS", "-k", "--http2", "--cert", files.ChainPath, "--key", files.KeyPath, "-o", "/dev/null", "-w", "%{http_version} %{http_code}", $"https://{host.EndPoint}/");
        Assert.Equal((0, "2 400"), (exitCode, output));
    }

    [SkippableFact]
    public async Task Nghttp_ManyRequests_Are400EachOnOneConnection()
    {
        await using var host = new HboneHost(Tunnels.EchoAsync);
        using var files = new PemFiles(host.Authority.Issue(host.ClientId));
        var url = $"https://{host.EndPoint}/";
        var (_, output) = await Tool.RunAsync("nghttp", "", ["-nv", "--no-dep", "--cert", files.ChainPath, "--key", files.KeyPath, url, url + "a", url + "b"]);
        Assert.Equal(3, output.Split(":status: 400").Length - 1);
        Assert.DoesNotContain("error_code=PROTOCOL_ERROR", output, StringComparison.Ordinal);
    }

    private static PemFiles? FilesOf(string what, HboneHost host) => what switch
    {
        "none" => null,
        "expired" => new PemFiles(host.Authority.IssueExpired(host.ClientId)),
        "not yet valid" => new PemFiles(host.Authority.IssueNotYetValid(host.ClientId)),
        "self-signed" => new PemFiles(host.Authority.IssueSelfSigned(host.ClientId)),
        "another root" => new PemFiles(new TestAuthority().Issue(host.ClientId)),
        "another trust domain" => new PemFiles(host.Authority.Issue(SpiffeId.ForServiceAccount("other.domain", "default", "client"))),
        "server only" => new PemFiles(host.Authority.Issue(host.ClientId, new TestCertificate { ExtendedKeyUsages = [TestCertificate.ServerAuthentication] })),
        "two URIs" => new PemFiles(host.Authority.Issue(host.ClientId, new TestCertificate { Uris = [host.ClientId.ToString(), host.Id.ToString()] })),
        _ => throw new ArgumentOutOfRangeException(nameof(what)),
    };
}
