using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using Ambient.Hbone.Http2.Framing;
using Ambient.Identity;
using Ambient.Testing.Certificates;
using Ambient.Testing.Http2;

namespace Ambient.Attack;

/// <summary>What is done to a host. Each attack ends by itself, or when it is told to.</summary>
internal static class Attacks
{
    /// <summary>All of them, in order: the first is number 1.</summary>
    public static IReadOnlyList<(string Name, AttackTarget Target, Func<Attacker, CancellationToken, Task> Run)> All { get; } =
    [
        ("1: 1,000 refused CONNECTs with 60 KB of baggage each, then a scrape", AttackTarget.Ztunnel, BaggageAsync),
        ("2: certificates under 49 intermediates with P-521 keys, 230 KB/s", AttackTarget.Ztunnel, CertificatesAsync),
        ("3: INITIAL_WINDOW_SIZE 0, 200 tunnels on each of 8 connections", AttackTarget.Ztunnel, ClosedWindowAsync),
        ("4: DATA frames of one byte, 5 MB/s", AttackTarget.Ztunnel, TinyFramesAsync),
        ("5: silent connections to readiness, metrics and admin", AttackTarget.Ztunnel, SilenceAsync),
        .. EngineAttacks.All.SelectMany(static attack => attack.Targets, static (attack, target) => (attack.Name, Target: target, attack.Run)).Select(
            static (attack, i) => ($"{i + 6}: {attack.Name}, at a {attack.Target}", attack.Target, attack.Run)),
    ];

    /// <summary>A thousand CONNECTs that a policy refuses, each with 60 KB of baggage of its own, and then somebody reads the metrics.</summary>
    public static async Task BaggageAsync(Attacker attacker, CancellationToken stop)
    {
        var svid = attacker.Svid;
        for (var sent = 0; sent < 1000 && !stop.IsCancellationRequested;)
        {
            await using var peer = await OpenAsync(svid, TargetHost.Locked, stop);
            await peer.HandshakeAsync();
            try
            {
                for (var stream = 1; stream < 100 && sent < 1000; stream += 2, sent++)
                {
                    // Long enough for every label to be as long as it can be, and no two alike.
                    var baggage = string.Create(null, $"k8s.namespace.name=n{sent:00000}{new string('n', 15_000)},k8s.deployment.name=d{sent:00000}{new string('d', 15_000)},service.name=s{sent:00000}{new string('s', 15_000)},service.version=v{sent:00000}{new string('v', 14_000)}");
                    await peer.SendHeadersAsync(
                        stream, endStream: false, (":method", "CONNECT"), (":authority", $"{TargetHost.Locked}:{Endpoints.EchoPort}"), ("baggage", baggage));
                    await peer.ExpectAsync(frame => frame.StreamId == stream, $"an answer on stream {stream}");
                }
            }
            catch (Exception e) when (e is IOException or InvalidOperationException)
            {
                // Thrown out: the rest comes over another connection.
            }
        }

        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        await Neighbour.GetAsync(15020, "/metrics", patience.Token);
    }

    /// <summary>Handshakes with a self-made certificate under 49 intermediates with P-521 keys, at 230 KB/s.</summary>
    public static async Task CertificatesAsync(Attacker attacker, CancellationToken stop)
    {
        var svid = LongChain.Create(attacker.Svid.Id, 49, attacker.Svid.Roots);
        var size = svid.Leaf.RawData.Length + svid.Intermediates.Sum(certificate => certificate.RawData.Length);
        await AtRateAsync(230_000.0 / size, concurrent: 16, () => HandshakeAsync(svid, stop), stop);
    }

    /// <summary>Two hundred tunnels on each of eight connections, none of which lets the endpoint's bytes through.</summary>
    public static async Task ClosedWindowAsync(Attacker attacker, CancellationToken stop)
    {
        var svid = attacker.Svid;
        var peers = new List<RudePeer>();
        try
        {
            for (var connection = 0; connection < 8; connection++)
            {
                var peer = await OpenAsync(svid, TargetHost.Server, stop);
                peers.Add(peer);
                await peer.HandshakeAsync((SettingId.InitialWindowSize, 0));
                for (var stream = 0; stream < 200; stream++)
                {
                    await peer.SendConnectAsync((stream * 2) + 1, $"{TargetHost.Server}:{Endpoints.FirehosePort}");
                }
            }

            // Answers PINGs, so that the connections live; everything else is read and thrown away.
            await Task.WhenAll(peers.Select(peer => AnswerAsync(peer, stop)));
        }
        catch (Exception e) when (e is IOException or InvalidOperationException or OperationCanceledException)
        {
        }
        finally
        {
            foreach (var peer in peers)
            {
                await peer.DisposeAsync();
            }
        }
    }

    /// <summary>DATA frames of one byte each on one tunnel, at 5 MB/s with their headers.</summary>
    public static async Task TinyFramesAsync(Attacker attacker, CancellationToken stop)
    {
        var svid = attacker.Svid;
        var frame = new byte[] { 0, 0, 1, 0, 0, 0, 0, 0, 1, 42 };
        var batch = Enumerable.Repeat(frame, 5_000).SelectMany(bytes => bytes).ToArray();
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await using var peer = await OpenAsync(svid, TargetHost.Server, stop);
                await peer.HandshakeAsync();
                await peer.SendConnectAsync(1, $"{TargetHost.Server}:{Endpoints.SinkPort}");
                var reading = AnswerAsync(peer, stop);
                await AtRateAsync(100, concurrent: 1, () => peer.SendRawAsync(batch), stop, untilFailure: true);
                await reading;
            }
            catch (Exception e) when (e is IOException or InvalidOperationException or OperationCanceledException or ObjectDisposedException)
            {
                // Thrown out: begins again, as an attacker would.
                await Task.Delay(20, CancellationToken.None);
            }
        }
    }

    /// <summary>Sixty-six connections that say nothing to each of the three ports of the host itself.</summary>
    public static async Task SilenceAsync(Attacker attacker, CancellationToken stop)
    {
        _ = attacker;
        var sockets = new List<Socket>();
        try
        {
            while (!stop.IsCancellationRequested)
            {
                foreach (var port in (int[])[15021, 15020, 15000])
                {
                    for (var i = 0; i < 66; i++)
                    {
                        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                        sockets.Add(socket);
                        await socket.ConnectAsync(IPAddress.Loopback, port, stop);
                    }
                }

                await Task.Delay(1000, stop);
                sockets.RemoveAll(socket =>
                {
                    var gone = socket.Poll(0, SelectMode.SelectRead);
                    if (gone)
                    {
                        socket.Dispose();
                    }

                    return gone;
                });
                if (sockets.Count > 600)
                {
                    sockets[..300].ForEach(socket => socket.Dispose());
                    sockets.RemoveRange(0, 300);
                }
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
        }
        finally
        {
            sockets.ForEach(socket => socket.Dispose());
        }
    }

    private static async Task AnswerAsync(RudePeer peer, CancellationToken stop)
    {
        try
        {
            while (!stop.IsCancellationRequested && await peer.ReadAsync().WaitAsync(stop) is { } frame)
            {
                if (frame.Type == FrameType.Ping && !frame.Header.HasFlag(FrameFlags.Ack))
                {
                    await peer.SendPingAsync(BinaryPrimitives.ReadUInt64BigEndian(frame.Payload), ack: true);
                }
            }
        }
        catch (Exception e) when (e is IOException or InvalidOperationException or OperationCanceledException or TimeoutException or ObjectDisposedException)
        {
        }
    }

    private static async Task AtRateAsync(double perSecond, int concurrent, Func<Task> action, CancellationToken stop, bool untilFailure = false)
    {
        using var places = new SemaphoreSlim(concurrent);
        var from = Stopwatch.GetTimestamp();
        for (var done = 0; !stop.IsCancellationRequested; done++)
        {
            var due = TimeSpan.FromSeconds(done / perSecond) - Stopwatch.GetElapsedTime(from);
            if (due > TimeSpan.FromMilliseconds(1))
            {
                await Task.Delay(due, CancellationToken.None);
            }

            if (untilFailure)
            {
                await action();
                continue;
            }

            await places.WaitAsync(CancellationToken.None);
            _ = RunAsync();
        }

        for (var i = 0; i < concurrent && !untilFailure; i++)
        {
            await places.WaitAsync(CancellationToken.None);
        }

        async Task RunAsync()
        {
            try
            {
                await action();
            }
            finally
            {
                places.Release();
            }
        }
    }

    private static async Task HandshakeAsync(X509Svid svid, CancellationToken stop)
    {
        try
        {
            await using var peer = await OpenAsync(svid, TargetHost.Server, stop);
            await peer.ReadAsync();
        }
        catch (Exception e) when (e is IOException or AuthenticationException or SocketException or InvalidOperationException or OperationCanceledException or TimeoutException)
        {
        }
    }

    private static async Task<RudePeer> OpenAsync(X509Svid svid, string address, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Parse(TargetHost.Attacker), 0));
            await socket.ConnectAsync(new IPEndPoint(IPAddress.Parse(address), TargetHost.HbonePort), cancellationToken);
            var tls = new SslStream(new NetworkStream(socket, ownsSocket: true));
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = "x",
                    EnabledSslProtocols = SslProtocols.Tls13,
                    ApplicationProtocols = [SslApplicationProtocol.Http2],
                    ClientCertificateContext = svid.TlsContext,
                    RemoteCertificateValidationCallback = static (_, certificate, _, _) => certificate is not null,
                },
                cancellationToken);
            return new RudePeer(tls, isClient: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
