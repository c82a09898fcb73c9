using Ambient.Hbone.Connect;
using Ambient.Hbone.Sockets;
using Ambient.Hbone.Tests.Sockets;

namespace Ambient.Hbone.Tests.Pooling;

/// <summary><see cref="HboneClientOptions.StaysOnThread"/>: whose connections a tunnel is opened on, by who asks.</summary>
public sealed class StaysOnThreadTests
{
    [SkippableTheory]
    [InlineData(true, 2)]
    [InlineData(false, 1)]
    public async Task Tunnels_AskedForOnTwoThreads_ShareAConnectionOrHaveOneForEach(bool stays, int connections)
    {
        Skip.IfNot(EventLoop.IsSupported, "there are no event loops on this system");
        using var io = new HboneIo(2);
        EventLoop?[] loops = [io.NextLoop(), io.NextLoop()];
        Assert.NotSame(loops[0], loops[1]);
        await using var pair = new HbonePair();
        (pair.ClientOptions.Io, pair.ClientOptions.StaysOnThread) = (io, stays);
        pair.Start(static async (connect, cancellationToken) =>
        {
            await using var tunnel = connect.Accept();
            await Task.Delay(Timeout.Infinite, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        });
        var tunnels = new List<HboneTunnel>();
        foreach (var number in new[] { 0, 1, 0, 1 })
        {
            tunnels.Add(await Task.Run(() => OpenOnAsync(number)).WaitAsync(HbonePair.Patience));
        }

        Assert.Equal(connections, pair.Client.PooledConnections);
        foreach (var tunnel in tunnels)
        {
            await tunnel.DisposeAsync();
        }

        async Task<HboneTunnel> OpenOnAsync(int number)
        {
            using var place = new LoopPlace(loops[number]);
            await place.EnterAsync().ConfigureAwait(false);
            Assert.Same(loops[number], EventLoop.Current);
            return await pair.Client.ConnectAsync(pair.Request()).ConfigureAwait(false);
        }
    }
}
