using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Ambient.Certificates;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Identity;
using Ambient.Testing.Certificates;

namespace Ambient.Attack;

/// <summary>
/// An honest client: echoes over an open tunnel, new connections with a handshake, probes of readiness, and echoes that the host has no part in.
/// One at a time of each.
/// </summary>
internal sealed class Neighbour(TestAuthority authority) : INeighbour
{
    /// <summary>An echo that the host has no part in: how busy the machine is by itself. It has no bound.</summary>
    public const string Control = "the same past the host, for comparison";

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);
    private readonly SpiffeId _id = SpiffeId.ForServiceAccount("cluster.local", "default", "neighbour");
    private readonly X509Svid _svid = authority.Issue("default", "neighbour");

    /// <summary>Measures until told to stop. Times in ms, by kind.</summary>
    public async Task<Dictionary<string, List<double>>> MeasureAsync(List<string> failures, CancellationToken stop)
    {
        var echoes = new List<double>();
        var handshakes = new List<double>();
        var probes = new List<double>();
        var direct = new List<double>();
        await Task.WhenAll(
            RepeatAsync("an echo past the host", 4, direct, failures, DirectAsync, stop),
            RepeatAsync("an echo over an open tunnel", 4, echoes, failures, EchoAsync, stop),
            RepeatAsync("a new connection", 40, handshakes, failures, (times, token) => TimeAsync(times, async () => await (await ConnectAsync(token)).DisposeAsync()), stop),
            RepeatAsync("a readiness probe", 100, probes, failures, (times, token) => TimeAsync(times, () => ProbeAsync(token)), stop));
        return new() { ["echo over an open tunnel"] = echoes, ["new connection"] = handshakes, ["readiness probe"] = probes, [Control] = direct };
    }

    public static async Task GetAsync(int port, string path, CancellationToken cancellationToken)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, port, cancellationToken);
        await socket.SendAsync(Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), cancellationToken);
        var buffer = new byte[64 * 1024];
        var first = await socket.ReceiveAsync(buffer, cancellationToken);
        if (!buffer.AsSpan(0, first).StartsWith("HTTP/1.1 200"u8))
        {
            throw new IOException($"port {port} answered {Encoding.ASCII.GetString(buffer, 0, Math.Min(first, 40))}");
        }

        while (await socket.ReceiveAsync(buffer, cancellationToken) > 0)
        {
        }
    }

    public static Task ProbeAsync(CancellationToken cancellationToken) => GetAsync(15021, "/healthz/ready", cancellationToken);

    public static async Task TimeAsync(List<double> times, Func<Task> action)
    {
        var from = Stopwatch.GetTimestamp();
        await action();
        times.Add(Stopwatch.GetElapsedTime(from).TotalMilliseconds);
    }

    public static async Task RepeatAsync(
        string what, int pause, List<double> times, List<string> failures, Func<List<double>, CancellationToken, Task> action, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            using var patience = new CancellationTokenSource(s_patience);
            try
            {
                await action(times, patience.Token);
                await Task.Delay(pause, stop);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
            }
            catch (Exception e)
            {
                lock (failures)
                {
                    failures.Add($"{what}: {e.Message}");
                }

                times.Add(s_patience.TotalMilliseconds);
                await Task.Delay(pause, CancellationToken.None);
            }
        }
    }

    /// <summary>One tunnel, and two hundred echoes over it.</summary>
    private async Task EchoAsync(List<double> times, CancellationToken cancellationToken)
    {
        await using var opened = await ConnectAsync(cancellationToken);
        await using var stream = opened.Tunnel.AsStream();
        var message = new byte[64];
        for (var i = 0; i < 200; i++)
        {
            await TimeAsync(times, async () =>
            {
                await stream.WriteAsync(message, cancellationToken);
                await stream.FlushAsync(cancellationToken);
                await stream.ReadExactlyAsync(message, cancellationToken);
            });
            await Task.Delay(4, cancellationToken);
        }
    }

    private static async Task DirectAsync(List<double> times, CancellationToken cancellationToken)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(new IPEndPoint(IPAddress.Parse(TargetHost.Server), Endpoints.EchoPort), cancellationToken);
        await using var stream = new NetworkStream(socket);
        var message = new byte[64];
        for (var i = 0; i < 200; i++)
        {
            await TimeAsync(times, async () =>
            {
                await stream.WriteAsync(message, cancellationToken);
                await stream.ReadExactlyAsync(message, cancellationToken);
            });
            await Task.Delay(4, cancellationToken);
        }
    }

    private async Task<Opened> ConnectAsync(CancellationToken cancellationToken)
    {
        var client = new HboneClient(new HboneClientOptions(), new Source(_svid));
        try
        {
            var tunnel = await client.ConnectAsync(
                new HboneConnectRequest
                {
                    NextHop = new IPEndPoint(IPAddress.Parse(TargetHost.Server), TargetHost.HbonePort),
                    Authority = $"{TargetHost.Server}:{Endpoints.EchoPort}",
                    Source = _id,
                    AcceptedIdentities = [SpiffeId.ForServiceAccount("cluster.local", "default", "server")],
                    SourceAddress = IPAddress.Parse(TargetHost.Neighbour),
                },
                cancellationToken);
            return new Opened(client, tunnel);
        }
        catch
        {
            await client.DisposeAsync();
            throw;
        }
    }

    private sealed record Opened(HboneClient Client, HboneTunnel Tunnel) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await Tunnel.DisposeAsync();
            await Client.DisposeAsync();
        }
    }

    private sealed class Source(X509Svid svid) : ISvidSource
    {
        public ValueTask<X509Svid> GetSvidAsync(SpiffeId id, CancellationToken cancellationToken = default) => new(svid);
    }
}
