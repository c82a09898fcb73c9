using System.Net.Sockets;
using Ambient.Hbone.Admission;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Tls;
using Ambient.Identity;
using Ambient.Testing.Certificates;

namespace Ambient.Hbone.Tests.Tls;

/// <summary>What a peer may make a handshake cost before it is authenticated.</summary>
public abstract class HandshakeBudgetTests
{
    private readonly TlsEngine _client;
    private readonly TlsEngine _server;

    private protected HandshakeBudgetTests(TlsEngine client, TlsEngine server) => (_client, _server) = (client, server);

    [Fact]
    public async Task Server_FortyNineIntermediates_AreRefusedBeforeTlsLooksAtThem()
    {
        var authority = new TestAuthority();
        await using var pair = new HbonePair(_client, _server)
        {
            ServerSvids = new HbonePair.Svids(authority),
            ClientSvids = new HbonePair.Svids(authority, id => LongChain.Create(id, 49, authority.Roots)),
        };
        pair.Start(Echo.HandleAsync);

        await Assert.ThrowsAsync<HboneException>(() => pair.ConnectAsync());
        var seen = await pair.FirstFailure.Task.WaitAsync(HbonePair.Patience);

        Assert.Contains("more than 16384 bytes before the handshake was done", seen.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Client_ServerWithFortyNineIntermediates_IsRefusedBeforeTlsLooksAtThem()
    {
        var authority = new TestAuthority();
        await using var pair = new HbonePair(_client, _server)
        {
            ServerSvids = new HbonePair.Svids(authority, id => LongChain.Create(id, 49, authority.Roots)),
            ClientSvids = new HbonePair.Svids(authority),
        };
        pair.Start(Echo.HandleAsync);

        var failure = await Assert.ThrowsAsync<HboneException>(() => pair.ConnectAsync());

        Assert.Contains("more than 16384 bytes before the handshake was done", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Server_MoreCertificatesThanAllowed_AreRefusedWithTheirNumber()
    {
        var authority = new TestAuthority();
        var deep = Enumerable.Range(0, 3).Aggregate(authority, (signer, _) => signer.Intermediate());
        await using var pair = new HbonePair(_client, _server)
        {
            ServerOptions = { MaxPeerCertificates = 1, HandshakeTimeout = TimeSpan.FromMinutes(2) },
            ServerSvids = new HbonePair.Svids(authority),
            ClientSvids = new HbonePair.Svids(deep),
        };
        pair.Start(Echo.HandleAsync);

        await Assert.ThrowsAsync<HboneException>(() => pair.ConnectAsync());

        Assert.Contains("presented 3 certificates", (await pair.FirstFailure.Task.WaitAsync(HbonePair.Patience)).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Server_FourIntermediatesOfOurs_AreWelcome()
    {
        var authority = new TestAuthority();
        var deep = Enumerable.Range(0, 4).Aggregate(authority, (signer, _) => signer.Intermediate());
        await using var pair = new HbonePair(_client, _server) { ServerSvids = new HbonePair.Svids(deep), ClientSvids = new HbonePair.Svids(deep) };
        pair.Start(Echo.HandleAsync);

        await using var tunnel = await pair.ConnectAsync();

        Assert.Equal(pair.ServerId, tunnel.PeerIdentity);
    }

    [Fact]
    public async Task Server_ManyTinyRecords_AreRefused()
    {
        await using var pair = new HbonePair(_client, _server).Start(Echo.HandleAsync);
        using var socket = await Dial(pair);
        var tiny = new byte[] { 22, 3, 1, 0, 1, 1 };

        // A ClientHello of 16,000 bytes that comes a byte at a time.
        var hello = new byte[] { 22, 3, 1, 0, 4, 1, 0, 62, 128 };
        await socket.SendAsync((byte[])[.. hello, .. Enumerable.Repeat(tiny, 100).SelectMany(record => record)]);

        Assert.Contains("TLS records before the handshake", (await pair.FirstFailure.Task.WaitAsync(HbonePair.Patience)).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Server_FullOfSilentPeersOfOneAddress_StillShakesHandsWithAnHonestOne()
    {
        await using var pair = new HbonePair(_client, _server)
        {
            ServerOptions = { Budget = new ConnectionBudget(new ConnectionLimits { MaxHandshakes = 4, MaxHandshakesPerAddress = 4 }) },
        };
        pair.Start(Echo.HandleAsync);
        var silent = new List<Socket>();
        for (var i = 0; i < 8; i++)
        {
            silent.Add(await Dial(pair));
        }

        await using (var tunnel = await pair.ConnectAsync())
        {
            Assert.Equal(pair.ServerId, tunnel.PeerIdentity);
        }

        Assert.Contains("gave way", (await pair.FirstFailure.Task.WaitAsync(HbonePair.Patience)).Reason, StringComparison.Ordinal);
        silent.ForEach(socket => socket.Dispose());
    }

    [Fact]
    public async Task Listener_MoreConnectionsThanOneAddressMayHave_RefusesAndCountsThem()
    {
        var reports = new List<ConnectionRefusal>();
        var budget = new ConnectionBudget(new ConnectionLimits { MaxConnectionsPerAddress = 3 }) { Refused = reports.Add };
        await using var pair = new HbonePair(_client, _server) { ServerOptions = { Budget = budget } }.Start(Echo.HandleAsync);
        var open = new List<Socket>();
        for (var i = 0; i < 3; i++)
        {
            open.Add(await Dial(pair));
        }

        await WaitUntil(() => budget.Open == 3);
        for (var i = 0; i < 5; i++)
        {
            await Assert.ThrowsAsync<SocketException>(async () =>
            {
                using var refused = await Dial(pair);
                await refused.ReceiveAsync(new byte[1]);
            });
        }

        Assert.Equal(5, budget.Refusals);
        var report = Assert.Single(reports);
        Assert.Equal(1, report.Count);
        Assert.Contains("127.0.0.1 has 3 connections open", report.Reason, StringComparison.Ordinal);

        open.ForEach(socket => socket.Dispose());
        await WaitUntil(() => budget.Open == 0);
        await using var tunnel = await pair.ConnectAsync();
        Assert.Equal(1, budget.Open);
    }

    [Fact]
    public async Task Listener_MoreConnectionsThanOneIdentityMayHave_RefusesThem()
    {
        var budget = new ConnectionBudget(new ConnectionLimits { MaxConnectionsPerIdentity = 1 });
        await using var pair = new HbonePair(_client, _server) { ServerOptions = { Budget = budget } }.Start(Echo.HandleAsync);
        await using var tunnel = await pair.ConnectAsync();
        await using var second = new HboneClient(new HboneClientOptions(), new HbonePair.Svids(pair.Authority));

        await Assert.ThrowsAsync<HboneException>(() => second.ConnectAsync(pair.Request()).AsTask().WaitAsync(HbonePair.Patience));

        Assert.Equal(1, budget.Refusals);
    }

    private static async Task<Socket> Dial(HbonePair pair)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(pair.EndPoint);
        return socket;
    }

    private static async Task WaitUntil(Func<bool> condition)
    {
        using var patience = new CancellationTokenSource(HbonePair.Patience);
        while (!condition())
        {
            await Task.Delay(5, patience.Token);
        }
    }
}
