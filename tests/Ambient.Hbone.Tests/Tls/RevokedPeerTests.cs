using System.Text;
using Ambient.Certificates;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Tls;
using Ambient.Identity;

namespace Ambient.Hbone.Tests.Tls;

/// <summary>Peers whose certificate is on a revocation list, in the handshake and while their tunnels are open.</summary>
public abstract class RevokedPeerTests
{
    private readonly TlsEngine _client;
    private readonly TlsEngine _server;

    private protected RevokedPeerTests(TlsEngine client, TlsEngine server) => (_client, _server) = (client, server);

    [Theory]
    [Trait("Reference", "outbound_rejects_revoked_server_cert")]
    [Trait("Reference", "outbound_rejects_revoked_intermediate_cert")]
    [InlineData(false)]
    [InlineData(true)]
    public async Task RevokedServer_IsRefusedInTheHandshake(bool intermediate)
    {
        await using var pair = new HbonePair(_client, _server);
        var middle = pair.Authority.Intermediate();
        var server = middle.Issue(pair.ServerId);
        pair.ServerSvids = new One(server);
        pair.ClientOptions.Revocation = Revoked(intermediate ? pair.Authority.Revoke(middle.Certificate) : middle.Revoke(server.Leaf));
        pair.Start((connect, _) => Accept(connect));

        var e = await Assert.ThrowsAsync<HboneException>(async () => await pair.Client.ConnectAsync(pair.Request()));

        Assert.Equal(HboneFailure.TlsFailed, e.Failure);
        Assert.Contains("is revoked", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RevokedClient_IsRefusedInTheHandshake()
    {
        await using var pair = new HbonePair(_client, _server);
        var client = pair.Authority.Issue(pair.ClientId);
        pair.ClientSvids = new One(client);
        var roles = new List<PeerRole>();
        pair.ServerOptions.Revocation = Revoked(pair.Authority.Revoke(client.Leaf));
        pair.ServerOptions.Revocation.Rejected = roles.Add;
        pair.Start((connect, _) => Accept(connect));

        await Assert.ThrowsAsync<HboneException>(async () => await pair.Client.ConnectAsync(pair.Request()));

        Assert.Contains("is revoked", (await pair.FirstFailure.Task.WaitAsync(HbonePair.Patience)).Reason, StringComparison.Ordinal);
        Assert.Equal([PeerRole.Client], roles);
    }

    [Theory]
    [Trait("Reference", "wait_for_revocation_resolves_on_webpki_revocation")]
    [Trait("Reference", "wait_for_revocation_resolves_on_intermediate_revocation")]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    public async Task OpenTunnel_OfAPeerThatIsRevoked_IsCutOff(bool atClient, bool intermediate)
    {
        await using var pair = new HbonePair(_client, _server);
        var middle = pair.Authority.Intermediate();
        var (client, server) = (middle.Issue(pair.ClientId), pair.Authority.Intermediate().Issue(pair.ServerId));
        (pair.ClientSvids, pair.ServerSvids) = (new One(client), new One(server));
        var revocation = new PeerRevocation();
        if (atClient)
        {
            pair.ClientOptions.Revocation = revocation;
        }
        else
        {
            pair.ServerOptions.Revocation = revocation;
        }

        var cause = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        pair.Start(async (connect, _) =>
        {
            await using var tunnel = connect.Accept();
            cause.TrySetResult(await ReadToEndAsync(tunnel));
        });
        await using var tunnel = await pair.Client.ConnectAsync(pair.Request());
        await tunnel.Output.WriteAsync("hello"u8.ToArray());

        // Others first: nothing happens to this one.
        revocation.Replace(Parse(middle.Revoke(middle.Issue("default", "other").Leaf)));
        await Task.Delay(50);
        Assert.False(cause.Task.IsCompleted);
        revocation.Replace(Parse(
            atClient ? RevokeServer(pair, server) : intermediate ? pair.Authority.Revoke(middle.Certificate) : middle.Revoke(client.Leaf)));

        var here = await ReadToEndAsync(tunnel).WaitAsync(HbonePair.Patience);
        var there = await cause.Task.WaitAsync(HbonePair.Patience);
        Assert.True(PeerRevokedException.IsCauseOf(atClient ? here : there), $"{here} / {there}");
        await Assert.ThrowsAsync<HboneException>(async () => await pair.Client.ConnectAsync(pair.Request()));
    }

    [Fact]
    public async Task PeerThatIsItsOwnRoot_GetsThrough_AndIsCountedAsNotTracked()
    {
        await using var pair = new HbonePair(_client, _server);
        var alone = pair.Authority.IssueSelfSigned(pair.ClientId);
        var server = pair.Authority.Issue(pair.ServerId);
        pair.ClientSvids = new One(alone);
        pair.ServerSvids = new One(new X509Svid(server.Id, server.Leaf, server.Intermediates, new TrustBundle([.. server.Roots.Roots, alone.Leaf])));
        var untracked = new TaskCompletionSource<PeerRole>();
        pair.ServerOptions.Revocation = Revoked(pair.Authority.Revoke(server.Leaf));
        pair.ServerOptions.Revocation.Untracked = role => untracked.TrySetResult(role);
        pair.Start((connect, _) => Accept(connect));

        await using var tunnel = await pair.Client.ConnectAsync(pair.Request());

        Assert.Equal(PeerRole.Client, await untracked.Task.WaitAsync(HbonePair.Patience));
    }

    private static string RevokeServer(HbonePair pair, X509Svid server) => pair.Authority.Revoke(server.Intermediates[0]);

    private static PeerRevocation Revoked(string lists)
    {
        var revocation = new PeerRevocation();
        revocation.Replace(Parse(lists));
        return revocation;
    }

    private static RevocationLists Parse(string lists) => RevocationLists.Parse(Encoding.ASCII.GetBytes(lists));

    private static ValueTask Accept(HboneConnect connect)
    {
        connect.Accept();
        return ValueTask.CompletedTask;
    }

    private static async Task<Exception?> ReadToEndAsync(HboneTunnel tunnel)
    {
        try
        {
            while (true)
            {
                var read = await tunnel.Input.ReadAsync();
                tunnel.Input.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                {
                    return null;
                }
            }
        }
        catch (IOException e)
        {
            return e;
        }
    }

    private sealed class One(X509Svid svid) : ISvidSource
    {
        public ValueTask<X509Svid> GetSvidAsync(SpiffeId id, CancellationToken cancellationToken = default) => new(svid);
    }
}
