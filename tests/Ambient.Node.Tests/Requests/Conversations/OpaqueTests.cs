using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Mesh;

namespace Ambient.Node.Tests.Requests.Conversations;

/// <summary>What is not HTTP, through a waypoint: a server that speaks first, and TLS that ends at the pod. Who may is asked of the connection as a whole.</summary>
[SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes it.")]
public sealed class OpaqueTests : IAsyncLifetime
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private readonly TestMesh _mesh = new();
    private readonly List<IAsyncDisposable> _owned = [];
    private MeshService _service = null!;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        for (var i = _owned.Count - 1; i >= 0; i--)
        {
            await _owned[i].DisposeAsync();
        }

        await _mesh.DisposeAsync();
    }

    [Theory]
    [InlineData(TunnelProtocol.Hbone)]
    [InlineData(TunnelProtocol.Tcp)]
    public async Task Server_ThatSpeaksFirst_IsHeardByWhoMay_AndByNobodyElse(TunnelProtocol protocol)
    {
        var greeted = 0;
        await StartAsync(protocol, async socket =>
        {
            Interlocked.Increment(ref greeted);
            await using var stream = new NetworkStream(socket, ownsSocket: false);
            await stream.WriteAsync("220 ready\r\n"u8.ToArray());
            using var reader = new StreamReader(stream);
            while (await reader.ReadLineAsync() is { } line)
            {
                await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes($"250 {line}\r\n"));
            }

            await stream.WriteAsync("221 bye\r\n"u8.ToArray());
        });
        await using var tunnel = await OpenAsync("sleep", 81);
        using var reader = new StreamReader(tunnel.AsStream());
        Assert.Equal("220 ready", await reader.ReadLineAsync().WaitAsync(s_patience));
        await tunnel.Output.WriteAsync("HELO a\r\n"u8.ToArray());
        Assert.Equal("250 HELO a", await reader.ReadLineAsync().WaitAsync(s_patience));
        await tunnel.Output.CompleteAsync();
        Assert.Equal("221 bye", await reader.ReadLineAsync().WaitAsync(s_patience));
        Assert.Null(await reader.ReadLineAsync().WaitAsync(s_patience));

        var refused = await Assert.ThrowsAsync<HboneException>(() => OpenAsync("notsleep", 81));
        Assert.Equal(401, refused.StatusCode);
        Assert.Equal(1, greeted);
    }

    /// <summary>On a port that is declared for TCP or TLS, and on one that says nothing of itself, where the first bytes are looked at.</summary>
    [Theory]
    [InlineData(81, SslProtocols.Tls13)]
    [InlineData(82, SslProtocols.Tls13)]
    [InlineData(82, SslProtocols.Tls12)]
    public async Task Tls_ThatEndsAtThePod_PassesThroughAsItIs_ForWhoMay(int port, SslProtocols version)
    {
        using var certificate = ServerCertificate();
        await StartAsync(TunnelProtocol.Hbone, async socket =>
        {
            await using var tls = new SslStream(new NetworkStream(socket, ownsSocket: false));
            await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
            {
                ServerCertificate = certificate,
                ApplicationProtocols = [new SslApplicationProtocol("own/1")],
            });
            await tls.CopyToAsync(tls);
            await tls.ShutdownAsync();
        });
        await using var tunnel = await OpenAsync("sleep", port);
        await using (var tls = await SecureAsync(tunnel, version))
        {
            Assert.Equal(certificate.Thumbprint, ((X509Certificate2)tls.RemoteCertificate!).Thumbprint);
            Assert.Equal("own/1", tls.NegotiatedApplicationProtocol.ToString());
            var sent = new byte[3_000_000];
            new Random(port).NextBytes(sent);
            var writing = tls.WriteAsync(sent).AsTask();
            var echoed = new byte[sent.Length];
            await tls.ReadExactlyAsync(echoed).AsTask().WaitAsync(s_patience);
            await writing.WaitAsync(s_patience);

            // Not beside a read: SslStream fails at times when it ends one direction while another thread reads.
            await tls.ShutdownAsync();
            Assert.True(sent.AsSpan().SequenceEqual(echoed));
            Assert.Equal(0, await tls.ReadAsync(echoed).AsTask().WaitAsync(s_patience));
        }

        // Where the bytes must be looked at first, the tunnel is there before anybody is refused.
        await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            await using var stranger = await OpenAsync("notsleep", port);
            await using var tls = await SecureAsync(stranger, version);
        }).ContinueWith(thrown => Assert.IsNotType<TimeoutException>(thrown.Result), TaskScheduler.Default);
        await _mesh.LoggedAsync("spiffe://cluster.local/ns/app/sa/notsleep");
    }

    private static async Task<SslStream> SecureAsync(HboneTunnel tunnel, SslProtocols version)
    {
        var tls = new SslStream(tunnel.AsStream());
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "web.example",
            EnabledSslProtocols = version,
            ApplicationProtocols = [new SslApplicationProtocol("own/1")],
            RemoteCertificateValidationCallback = static (_, certificate, _, _) => certificate!.Subject == "CN=web.example",
        }).WaitAsync(s_patience);
        return tls;
    }

    [Fact]
    public async Task Endpoint_ThatDoesNotAnswer_IsGivenUp_WithoutADestinationRuleToo()
    {
        _mesh.Time = new QuickClock();
        _service = _mesh.AddService("a");
        var address = new IPEndPoint(_mesh.AddWorkload("a-0", "a", TunnelProtocol.Tcp, "a").Addresses[0], 8080);
        using var silent = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        silent.Bind(address);
        silent.Listen(0);
        var waiting = Enumerable.Range(0, 4).Select(_ => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)).ToArray();
        try
        {
            // Nobody accepts: once these wait, the system answers no more of them.
            foreach (var socket in waiting)
            {
                _ = socket.ConnectAsync(address).ContinueWith(static task => task.Exception, TaskScheduler.Default);
            }

            await _mesh.StartWaypointAsync();
            await Assert.ThrowsAsync<HboneException>(() => OpenAsync("sleep", 81).WaitAsync(TimeSpan.FromSeconds(60)));
            await _mesh.LoggedAsync("timed out");
        }
        finally
        {
            foreach (var socket in waiting)
            {
                socket.Dispose();
            }
        }
    }

    /// <summary>The system's, but the time that a connection may take is short.</summary>
    private sealed class QuickClock : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            base.CreateTimer(callback, state, dueTime == TimeSpan.FromSeconds(10) ? TimeSpan.FromMilliseconds(500) : dueTime, period);
    }

    private static X509Certificate2 ServerCertificate()
    {
        using var key = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=web.example", key, System.Security.Cryptography.HashAlgorithmName.SHA256);
        return request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddMinutes(-5), TimeProvider.System.GetUtcNow().AddDays(1));
    }

    private async Task StartAsync(TunnelProtocol protocol, Func<Socket, Task> serve)
    {
        _service = _mesh.AddService("a");
        _owned.Add(await RawPod.StartAsync(_mesh, protocol, serve));
        _mesh.SetPolicy("friends", "a", ["cluster.local/ns/app/sa/sleep"], []);
        await _mesh.StartWaypointAsync();
    }

    private async Task<HboneTunnel> OpenAsync(string account, int port)
    {
        var client = new HboneClient(new HboneClientOptions(), _mesh.Svids);
        _owned.Add(client);
        var waypoint = _mesh.Store.Current.Workloads["Kubernetes//Pod/app/waypoint-0"];
        return await client.ConnectAsync(new HboneConnectRequest
        {
            NextHop = new IPEndPoint(waypoint.Addresses[0], 15008),
            Authority = $"{_service.Vips[0].Address}:{port}",
            Source = TestMesh.Id(account),
            AcceptedIdentities = [waypoint.Identity],
        });
    }
}
