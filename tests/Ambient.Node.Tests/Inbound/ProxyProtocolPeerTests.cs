using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Ambient.Mesh;
using Ambient.Node.Inbound;

namespace Ambient.Node.Tests.Inbound;

/// <summary>The PROXY header as somebody else reads it: an HAProxy stands where the waypoint would.</summary>
public sealed class ProxyProtocolPeerTests
{
    private static readonly string? s_haproxy = new[] { "/usr/sbin/haproxy", "/usr/local/sbin/haproxy" }.FirstOrDefault(File.Exists);

    [SkippableFact]
    public async Task HAProxy_ReadsTheClientAndTheDestination()
    {
        Skip.If(s_haproxy is null, "haproxy is not installed");
        var folder = Directory.CreateTempSubdirectory("ambient-haproxy-");
        var port = FreePort();
        var configuration = Path.Combine(folder.FullName, "haproxy.cfg");
        await File.WriteAllTextAsync(configuration, $"""
            defaults
              mode http
              timeout client 30s
              timeout connect 30s
              timeout server 30s
            frontend waypoint
              bind 127.0.0.1:{port} accept-proxy
              http-request return status 200 content-type text/plain lf-string "%[src]:%[src_port] %[dst]:%[dst_port]"

            """);
        using var process = Process.Start(new ProcessStartInfo(s_haproxy, ["-db", "-f", configuration]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        try
        {
            await ListensAsync(port);
            await using var kit = new InboundKit(
                (workload, _) => workload with { ApplicationTunnel = new(ApplicationTunnelProtocol.Proxy, port) }, options: new InboundOptions { LocalhostTunnel = true });
            await using var tunnel = await kit.ConnectAsync("10.10.0.3:80");
            await tunnel.Output.WriteAsync("GET / HTTP/1.0\r\n\r\n"u8.ToArray());
            using var reader = new StreamReader(tunnel.Input.AsStream(), Encoding.ASCII);

            var answer = await reader.ReadToEndAsync().WaitAsync(InboundKit.Patience);

            Assert.EndsWith($"{tunnel.LocalEndPoint} 10.10.0.3:80", answer, StringComparison.Ordinal);
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync();
            folder.Delete(recursive: true);
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static async Task ListensAsync(int port)
    {
        for (var tries = 0; ; tries++)
        {
            using var probe = new TcpClient();
            try
            {
                await probe.ConnectAsync(IPAddress.Loopback, port);
                return;
            }
            catch (SocketException) when (tries < 600)
            {
                await Task.Delay(50);
            }
        }
    }
}
