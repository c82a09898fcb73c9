using System.Security.Cryptography;
using Ambient.Hbone.Connect;

namespace Ambient.Hbone.Tests.Connect;

public sealed class TunnelTests
{
    [Fact]
    public async Task Tunnel_BytesBothWays_ArriveAndEnd()
    {
        HboneConnect? seen = null;
        await using var pair = new HbonePair().Start((connect, token) =>
        {
            seen = connect;
            return Echo.HandleAsync(connect, token);
        });
        var request = pair.Request() with { Baggage = "k8s.cluster.name=Kubernetes", Forwarded = "for=\"10.0.0.9:1\"", TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" };
        await using var tunnel = await pair.ConnectAsync(request);

        await tunnel.Output.WriteAsync("hello"u8.ToArray());
        await tunnel.Output.CompleteAsync();
        var answer = await Echo.ReadAllAsync(tunnel);

        Assert.Equal("hello"u8.ToArray(), answer);
        Assert.Equal(pair.ServerId, tunnel.PeerIdentity);
        Assert.NotNull(seen);
        Assert.Equal(pair.ClientId, seen.PeerIdentity);
        Assert.Equal("10.0.0.1:80", seen.Authority);
        Assert.Equal(request.Baggage, seen.Baggage);
        Assert.Equal(request.Forwarded, seen.Forwarded);
        Assert.Equal(request.TraceParent, seen.TraceParent);
        Assert.Equal(pair.EndPoint, tunnel.RemoteEndPoint);
        Assert.Equal(tunnel.LocalEndPoint, seen.RemoteEndPoint);
    }

    [Fact]
    public async Task Tunnel_ManyMegabytes_AreByteExact()
    {
        await using var pair = new HbonePair().Start(Echo.HandleAsync);
        await using var tunnel = await pair.ConnectAsync();
        var sent = RandomNumberGenerator.GetBytes(30_000_000);

        var reading = Echo.ReadAllAsync(tunnel);
        for (var i = 0; i < sent.Length; i += 777_777)
        {
            await tunnel.Output.WriteAsync(sent.AsMemory(i, Math.Min(777_777, sent.Length - i)));
        }

        await tunnel.Output.CompleteAsync();

        Assert.Equal(Convert.ToHexString(SHA256.HashData(sent)), Convert.ToHexString(SHA256.HashData(await reading)));
    }

    [Theory]
    [InlineData(400)]
    [InlineData(401)]
    [InlineData(503)]
    public async Task Connect_Rejected_FailsWithStatus(int status)
    {
        await using var pair = new HbonePair().Start((connect, _) =>
        {
            connect.Reject(status);
            return default;
        });

        var failure = await Assert.ThrowsAsync<HboneException>(() => pair.ConnectAsync());

        Assert.Equal(HboneFailure.Refused, failure.Failure);
        Assert.Equal(status, failure.StatusCode);
        Assert.Equal(1, pair.Client.PooledConnections);
    }
}
