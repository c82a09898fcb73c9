using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Tests.Http2.HPack;
using Ambient.Testing.Http2;

namespace Ambient.Hbone.Tests.Http2.Messages;

/// <summary>The size and the number of fields that a head or trailers may have by default, to the byte: names, values and 32 for each (RFC 9113 section 6.5.2).</summary>
public class HeadLimitTests
{
    private const int MaxSize = 60 * 1024;

    /// <summary>Bytes, fields, and whether they are within the limits.</summary>
    public static TheoryData<int, int, bool> Edges => new()
    {
        { MaxSize, 1, true },
        { MaxSize + 1, 1, false },
        { 10_000, 100, true },
        { 10_000, 101, false },
        { MaxSize, 100, true },
        { MaxSize + 1, 100, false },
    };

    [Theory]
    [MemberData(nameof(Edges))]
    public async Task Request_AtTheEdge_IsServed_BeyondIt431(int size, int fields, bool fits)
    {
        await using var harness = await ServerHarness.StartAsync();
        await SendAsync(harness.Peer, ServerHarness.Get(), size, fields);
        if (fits)
        {
            var call = await harness.NextAsync();
            Assert.Equal(fields, call.Request.Fields.Count);
            await call.Exchange.AnswerAsync("served");
            call.Done();
        }

        Assert.Equal((":status", fits ? "200" : "431"), (await harness.Peer.ExpectHeadersAsync(1)).Headers[0]);
        Assert.False(harness.HasCall);
        Assert.Equal(fits ? [] : [431], harness.Handler.Refusals.Select(static refusal => refusal.Status));
    }

    [Theory]
    [MemberData(nameof(Edges))]
    public async Task RequestTrailers_AtTheEdge_AreRead_BeyondItTheStreamIsReset(int size, int fields, bool fits)
    {
        await using var harness = await ServerHarness.StartAsync();
        await harness.Peer.SendHeadersAsync(1, false, ServerHarness.Post());
        var call = await harness.NextAsync();
        await SendAsync(harness.Peer, [], size, fields);
        await ExpectTrailersAsync(harness.Peer, call.Exchange, fields, fits);
        call.Done();
    }

    [Theory]
    [MemberData(nameof(Edges))]
    public async Task Response_AtTheEdge_IsRead_BeyondItTheStreamIsReset(int size, int fields, bool fits)
    {
        await using var harness = await ClientHarness.StartAsync();
        await using var exchange = await harness.GetAsync(1);
        await SendAsync(harness.Peer, [(":status", "200")], size, fields);
        if (fits)
        {
            Assert.Equal(fields, (await exchange.HeadAsync()).Fields.Count);
        }
        else
        {
            await harness.Peer.ExpectResetAsync(1, Http2ErrorCode.EnhanceYourCalm);
            Assert.Equal(MessageFault.TooLarge, (await exchange.HeadAsync().FailureAsync()).Fault);
        }

        Assert.True(harness.Client.IsUsable);
    }

    [Theory]
    [MemberData(nameof(Edges))]
    public async Task ResponseTrailers_AtTheEdge_AreRead_BeyondItTheStreamIsReset(int size, int fields, bool fits)
    {
        await using var harness = await ClientHarness.StartAsync();
        await using var exchange = await harness.GetAsync(1);
        await harness.Peer.SendHeadersAsync(1, false, (":status", "200"));
        await exchange.HeadAsync();
        await SendAsync(harness.Peer, [], size, fields);
        await ExpectTrailersAsync(harness.Peer, exchange, fields, fits);
    }

    private static async Task ExpectTrailersAsync(RudePeer peer, MessageExchange exchange, int fields, bool fits)
    {
        if (fits)
        {
            Assert.Empty(await exchange.ReadToEndAsync());
            Assert.Equal(fields, exchange.Trailers.Count);
        }
        else
        {
            await peer.ExpectResetAsync(1, Http2ErrorCode.EnhanceYourCalm);
            Assert.Equal(MessageFault.TooLarge, (await exchange.ReadToEndAsync().FailureAsync()).Fault);
        }
    }

    /// <summary>Sends a block of exactly that size and number of fields, which ends its message.</summary>
    private static Task SendAsync(RudePeer peer, (string Name, string Value)[] pseudo, int size, int fields)
    {
        (string Name, string Value)[] head = [.. pseudo, .. Enumerable.Range(0, fields).Select(static i => ($"x-{i}", ""))];
        head[^1].Value = new string('a', size - head.Sum(static field => field.Name.Length + field.Value.Length + 32));
        return peer.SendAsync(FrameType.Headers, FrameFlags.EndHeaders | FrameFlags.EndStream, 1, HPackBlocks.Plain(head));
    }
}
