using System.Collections.Concurrent;
using System.Text;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Testing.Certificates;

namespace Ambient.EndToEnd.Tests.ForeignPeers;

/// <summary>Node's <c>http2</c> as HBONE client against our listener.</summary>
public class NodeAsClientTests
{
    [SkippableTheory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(100_000)]
    [InlineData(50_000_000)]
    public async Task Echo_AnyAmount_ComesBackWhole(int bytes)
    {
        var requests = new ConcurrentQueue<HboneConnect>();
        await using var host = new HboneHost((connect, token) =>
        {
            requests.Enqueue(connect);
            return Tunnels.EchoAsync(connect, token);
        });
        using var files = new PemFiles(host.Authority.Issue(host.ClientId));
        await using var node = Start(host, files, new { scenario = "echo", bytes, headers = new { baggage = "a=b", forwarded = "for=x" } });
        var result = await node.ReadAsync();
        Assert.Equal(200, (int)result["status"]!);
        Assert.Equal("k=v", (string?)result["baggage"]);
        Assert.Equal((bytes, Tunnels.Hash(Tunnels.Pattern(bytes))), ((int)result["length"]!, (string?)result["hash"]));
        var request = Assert.Single(requests);
        Assert.Equal(("10.0.0.1:80", "a=b", "for=x", host.ClientId), (request.Authority, request.Baggage, request.Forwarded, request.PeerIdentity));
    }

    [SkippableFact]
    public async Task Echo_ClientWithSmallWindow_ComesBackWhole()
    {
        await using var host = new HboneHost(Tunnels.EchoAsync);
        using var files = new PemFiles(host.Authority.Issue(host.ClientId));
        await using var node = Start(host, files, new { scenario = "echo", bytes = 3_000_000, settings = new { initialWindowSize = 1000, headerTableSize = 0 } });
        var result = await node.ReadAsync();
        Assert.Equal(Tunnels.Hash(Tunnels.Pattern(3_000_000)), (string?)result["hash"]);
    }

    [SkippableFact]
    public async Task Echo_ManyStreamsAtOnce_AllComeBack()
    {
        await using var host = new HboneHost(Tunnels.EchoAsync);
        using var files = new PemFiles(host.Authority.Issue(host.ClientId));
        await using var node = Start(host, files, new { scenario = "many", streams = 150, bytes = 200_000 });
        var lengths = (await node.ReadAsync())["lengths"]!.AsArray().Select(length => (int)length!);
        Assert.Equal(Enumerable.Repeat(200_000, 150), lengths);
    }

    [SkippableTheory]
    [InlineData(400)]
    [InlineData(401)]
    [InlineData(503)]
    public async Task Connect_Rejected_NodeSeesTheStatus(int status)
    {
        await using var host = new HboneHost((connect, _) =>
        {
            connect.Reject(status);
            return default;
        });
        using var files = new PemFiles(host.Authority.Issue(host.ClientId));
        await using var node = Start(host, files, new { scenario = "status" });
        var result = await node.ReadAsync();
        Assert.Equal((status, 0, 0), ((int)result["status"]!, (int)result["length"]!, (int)result["rst"]!));
    }

    [SkippableFact]
    public async Task HalfClose_NodeFirst_StillReadsWhatWeSendAfter()
    {
        await using var host = new HboneHost(async (connect, token) =>
        {
            await using var tunnel = connect.Accept();
            var text = await tunnel.ReadTextAsync();
            await tunnel.WriteAsync(Encoding.UTF8.GetBytes($"got {text}, and more"));
            await tunnel.Output.CompleteAsync();
        });
        using var files = new PemFiles(host.Authority.Issue(host.ClientId));
        await using var node = Start(host, files, new { scenario = "clientClosesFirst" });
        Assert.Equal("got bye, and more", (string?)(await node.ReadAsync())["text"]);
    }

    [SkippableFact]
    public async Task HalfClose_WeFirst_StillReadWhatNodeSendsAfter()
    {
        var late = new TaskCompletionSource<string>();
        await using var host = new HboneHost(async (connect, token) =>
        {
            await using var tunnel = connect.Accept();
            await tunnel.WriteAsync("hello"u8.ToArray());
            await tunnel.Output.CompleteAsync();
            late.SetResult(await tunnel.ReadTextAsync());
        });
        using var files = new PemFiles(host.Authority.Issue(host.ClientId));
        await using var node = Start(host, files, new { scenario = "serverClosesFirst" });
        var result = await node.ReadAsync();
        Assert.Equal(("hello", 0), ((string?)result["text"], (int)result["rst"]!));
        Assert.Equal("after", await late.Task.WaitAsync(HboneHost.Patience));
    }

    [SkippableTheory]
    [InlineData(8)] // CANCEL reads as an end
    [InlineData(2)] // INTERNAL_ERROR as an error, unless Node got to half-close before
    public async Task Reset_ByNode_EndsTheTunnelAlone(int code)
    {
        var ended = new TaskCompletionSource<bool>();
        await using var host = new HboneHost(async (connect, token) =>
        {
            await using var tunnel = connect.Accept();
            try
            {
                await tunnel.ReadToEndAsync();
                ended.TrySetResult(true);
            }
            catch (IOException)
            {
                ended.TrySetResult(false);
            }
        });
        using var files = new PemFiles(host.Authority.Issue(host.ClientId));
        await using var node = Start(host, files, new { scenario = "reset", code });
        Assert.Equal(200, (int)(await node.ReadAsync())["status"]!);
        Assert.True(await ended.Task.WaitAsync(HboneHost.Patience) || code != 8);
    }

    [SkippableFact]
    public async Task Shutdown_WithAnOpenTunnel_SaysGoAwayTwiceAndLetsItFinish()
    {
        await using var host = new HboneHost(Tunnels.EchoAsync);
        using var files = new PemFiles(host.Authority.Issue(host.ClientId));
        await using var node = Start(host, files, new { scenario = "goaway" });
        Assert.True((bool)(await node.ReadAsync())["open"]!);
        using var deadline = new CancellationTokenSource(HboneHost.Patience);
        var shutdown = host.Listener.ShutdownAsync(deadline.Token);
        var result = await node.ReadAsync();
        Assert.Equal((0, int.MaxValue, 1, 4), ((int)result["code"]!, (int)result["first"]!, (int)result["last"]!, (int)result["length"]!));
        await shutdown.WaitAsync(HboneHost.Patience);
        Assert.False(deadline.IsCancellationRequested);
    }

    private static NodeProcess Start(HboneHost host, PemFiles files, object scenario)
    {
        var options = System.Text.Json.JsonSerializer.SerializeToNode(scenario)!.AsObject();
        options["host"] = host.EndPoint.Address.ToString();
        options["port"] = host.EndPoint.Port;
        options["key"] = files.KeyPath;
        options["cert"] = files.ChainPath;
        options["ca"] = files.RootsPath;
        return NodeProcess.Start("hbone-client.mjs", options);
    }
}
