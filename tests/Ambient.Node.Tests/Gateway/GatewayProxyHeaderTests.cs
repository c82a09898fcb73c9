using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using Ambient.Hbone.ProxyProtocol;
using Ambient.Identity;

namespace Ambient.Node.Tests.Gateway;

/// <summary>A gateway behind a proxy that speaks the PROXY protocol: whom policies, logs and backends see, and what is no header.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class GatewayProxyHeaderTests : IAsyncLifetime
{
    private static readonly IPEndPoint s_client = new(IPAddress.Parse("203.0.113.7"), 40_000);

    private readonly ManifestGateway _gateway = new();

    public async Task InitializeAsync()
    {
        await _gateway.AddBackendAsync("web");
        _gateway.AddEcho("echo");
    }

    public async Task DisposeAsync() => await _gateway.DisposeAsync();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Client_IsWhomTheHeaderNames_ToPoliciesLogsAndBackends_InClearInTlsAndForBytes(int version)
    {
        _gateway.WriteSecret("web", TestCertificates.Leaf(_gateway.Authority, "gateway", ["web.example.com"]));
        await _gateway.StartAsync(Manifests + Policy("remoteIpBlocks: [203.0.113.0/24]", "ALLOW"));

        // Both in one packet, as a proxy sends them.
        var (status, _) = await AskAsync(8080, HeaderOf(version, s_client));
        Assert.Equal("HTTP/1.1 200 OK", status);
        Assert.Equal("203.0.113.7", Assert.Single(_gateway.Arrived).Request.Headers["x-forwarded-for"]);
        await _gateway.Mesh.LoggedAsync("src.addr=203.0.113.7:40000");

        Assert.Equal("HTTP/1.1 403 Forbidden", (await AskAsync(8080, HeaderOf(version, new IPEndPoint(IPAddress.Parse("198.51.100.1"), 1)))).Status);
        Assert.Equal("HTTP/1.1 200 OK", (await AskAsync(8443, HeaderOf(version, s_client), tls: true)).Status);
        Assert.Equal("HTTP/1.1 403 Forbidden", (await AskAsync(8443, HeaderOf(version, new IPEndPoint(IPAddress.Parse("198.51.100.1"), 1)), tls: true)).Status);
        Assert.Equal("echo\nx", await TalkAsync(9001, HeaderOf(version, s_client), "x"));
        Assert.Equal("", await TalkAsync(9001, HeaderOf(version, new IPEndPoint(IPAddress.Parse("198.51.100.1"), 1)), "x"));
    }

    [Fact]
    public async Task Client_ThatTheHeaderNamesInIPv6Dress_IsItsIPv4Address()
    {
        await _gateway.StartAsync(Manifests + Policy("remoteIpBlocks: [203.0.113.0/24]", "ALLOW"));
        var header = Encoding.ASCII.GetBytes("PROXY TCP6 ::ffff:203.0.113.7 ::ffff:127.0.0.1 40000 8080\r\n");
        Assert.Equal("HTTP/1.1 200 OK", (await AskAsync(8080, header)).Status);
        Assert.Equal("203.0.113.7", Assert.Single(_gateway.Arrived).Request.Headers["x-forwarded-for"]);
        await _gateway.Mesh.LoggedAsync("src.addr=203.0.113.7:40000");
    }

    [Fact]
    public async Task IpBlocks_AreAboutTheProxy()
    {
        await _gateway.StartAsync(Manifests + Policy("ipBlocks: [203.0.113.0/24]", "DENY"));
        Assert.Equal("HTTP/1.1 200 OK", (await AskAsync(8080, HeaderOf(2, s_client))).Status);
        Assert.Equal("echo\nx", await TalkAsync(9001, HeaderOf(2, s_client), "x"));
    }

    [Fact]
    public async Task ProxyThatSpeaksForItself_IsThePeer_AndAnIdentityInTheHeaderIsNobodys()
    {
        await _gateway.StartAsync(Manifests + Policy("remoteIpBlocks: [127.0.0.0/8]", "ALLOW"));
        Assert.Equal("HTTP/1.1 200 OK", (await AskAsync(8080, "PROXY UNKNOWN\r\n"u8.ToArray())).Status);
        Assert.Equal("HTTP/1.1 200 OK", (await AskAsync(8080, [.. "\r\n\r\n\0\r\nQUIT\n"u8, 0x20, 0, 0, 0])).Status);
        Assert.Equal("127.0.0.1", _gateway.Arrived.First().Request.Headers["x-forwarded-for"]);

        var header = new ProxyHeader { Source = s_client, Destination = new IPEndPoint(_gateway.Address, 8080), Identity = SpiffeId.ForServiceAccount("cluster.local", "app", "admin") };
        Assert.Equal("HTTP/1.1 403 Forbidden", (await AskAsync(8080, header.ToArray())).Status);
    }

    [Theory]
    [InlineData("", "the signature is missing")]
    [InlineData("GET / HTTP/1.1\r\nhost: a\r\n\r\n", "the signature is missing")]
    [InlineData("PROXY TCP4 203.0.113.7 127.0.0.1 1 99999\r\n", "a port is not a number")]
    [InlineData("PROXY TCP4 203.0.113.7\r\n", "the line is not")]
    [InlineData("PROXY TCP6 203.0.113.7 127.0.0.1 1 2\r\n", "an address is not one of its family")]
    [InlineData("PROXY TCP4 203.0.113.7 127.0.0.1 1 2\n", "ends with CR and LF")]
    public async Task WhatIsNoHeader_ClosesTheConnection_AndSaysWhy(string bytes, string why)
    {
        await _gateway.StartAsync(Manifests);
        Assert.Equal("", await TalkAsync(8080, Encoding.Latin1.GetBytes(bytes), "GET / HTTP/1.1\r\nhost: web.example.com\r\n\r\n"));
        await _gateway.Mesh.LoggedAsync(why);
        Assert.Empty(_gateway.Arrived);
    }

    [Theory]
    [InlineData("PROXY UNKNOWN ", "more than 107 bytes")]
    [InlineData("\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", "longer than 4096")]
    public async Task HeaderWithoutEnd_IsNotReadFurther(string begin, string why)
    {
        await _gateway.StartAsync(Manifests);
        Assert.Equal("", await TalkAsync(8080, Encoding.Latin1.GetBytes(begin + new string('x', 3000)), ""));
        await _gateway.Mesh.LoggedAsync(why);
    }

    [Fact]
    public async Task HeaderThatComesByteByByte_IsRead()
    {
        await _gateway.StartAsync(Manifests);
        foreach (var header in new[] { HeaderOf(1, s_client), HeaderOf(2, s_client) })
        {
            using var client = new TcpClient(_gateway.Address.ToString(), 9001) { NoDelay = true };
            var stream = client.GetStream();
            for (var i = 0; i < header.Length; i++)
            {
                await stream.WriteAsync(header.AsMemory(i, 1));
            }

            await stream.WriteAsync("x"u8.ToArray());
            client.Client.Shutdown(SocketShutdown.Send);
            Assert.Equal("echo\nx", await ManifestGateway.ReadToEndAsync(stream));
        }
    }

    [Fact]
    public async Task WithoutTheSetting_AHeaderIsNoRequest()
    {
        await _gateway.StartAsync(Manifests.Replace("proxyProtocol: {} ", "numTrustedProxies: 0 ", StringComparison.Ordinal));
        Assert.Equal("HTTP/1.1 400 Bad Request", (await AskAsync(8080, HeaderOf(1, s_client))).Status);
        Assert.Equal("HTTP/1.1 200 OK", (await AskAsync(8080, [])).Status);
    }

    private static string Policy(string source, string action) => $$"""
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: clients, namespace: app}
        spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}], action: {{action}}, rules: [{from: [{source: { {{source}} } }]}]}
        ---

        """;

    private byte[] HeaderOf(int version, IPEndPoint source) => version == 2
        ? new ProxyHeader { Source = source, Destination = new IPEndPoint(_gateway.Address, 8080) }.ToArray()
        : Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"PROXY TCP4 {source.Address} {_gateway.Address} {source.Port} 8080\r\n"));

    private async Task<(string Status, string Answer)> AskAsync(int port, byte[] header, bool tls = false)
    {
        using var client = new TcpClient(_gateway.Address.ToString(), port);
        Stream stream = client.GetStream();
        var request = "GET / HTTP/1.1\r\nhost: web.example.com\r\nconnection: close\r\n\r\n"u8.ToArray();
        if (tls)
        {
            await stream.WriteAsync(header);
            var secured = new SslStream(stream, leaveInnerStreamOpen: false, (_, shown, _, _) => shown?.Issuer == _gateway.Authority.Subject);
            await secured.AuthenticateAsClientAsync("web.example.com").WaitAsync(TimeSpan.FromSeconds(60));
            stream = secured;
            await stream.WriteAsync(request);
        }
        else
        {
            await stream.WriteAsync((byte[])[.. header, .. request]);
        }

        await using (stream)
        {
            var answer = await ManifestGateway.ReadToEndAsync(stream);
            return (answer.Split("\r\n")[0], answer);
        }
    }

    private async Task<string> TalkAsync(int port, byte[] header, string text)
    {
        using var client = new TcpClient(_gateway.Address.ToString(), port);
        var stream = client.GetStream();
        try
        {
            await stream.WriteAsync((byte[])[.. header, .. Encoding.Latin1.GetBytes(text)]);
            client.Client.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            return "";
        }

        return await ManifestGateway.ReadToEndAsync(stream);
    }

    private string Manifests => $$"""
        apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata: {name: gw, namespace: app, annotations: {proxy.istio.io/config: "gatewayTopology: {proxyProtocol: {} }"} }
        spec:
          gatewayClassName: istio
          {{_gateway.Infrastructure}}
          listeners:
          - {name: http, port: 8080, protocol: HTTP}
          - {name: https, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: web}]} }
          - {name: tcp, port: 9001, protocol: TCP}
        ---
        apiVersion: gateway.networking.k8s.io/v1
        kind: HTTPRoute
        metadata: {name: web, namespace: app}
        spec: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: web, port: 80}]}]}
        ---
        apiVersion: gateway.networking.k8s.io/v1
        kind: TCPRoute
        metadata: {name: tcp, namespace: app}
        spec: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: echo, port: 81}]}]}
        ---

        """;
}
