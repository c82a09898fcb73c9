using Ambient.Hbone.Messages;
using Ambient.Http;

namespace Ambient.Hbone.Tests.Messages;

/// <summary>Clients that come while a server leads on to another one.</summary>
public sealed class LeadOnTests
{
    [Fact]
    public async Task Http2ThatComesMeanwhile_IsServed_AndToldThatItEnds()
    {
        await using var kit = new MessageKit(static exchange => MessageKit.AnswerAsync(exchange, 200, "served"));
        kit.Server.LeadOn();
        await using var connection = await kit.OpenAsync(HttpProtocolVersion.Http2);
        Assert.True(connection.TryBegin(out var exchange));
        await using (exchange)
        {
            await exchange.SendHeadAsync(new RequestHead { Method = "GET", Authority = "a", Target = "/" }, end: true);
            Assert.Equal(200, (await exchange.ReceiveHeadAsync()).Status);
            Assert.Equal("served", await MessageKit.ReadAllAsync(exchange));
        }

        await UntilUnusableAsync(connection);
    }

    [Fact]
    public async Task Http2ThatComesMeanwhile_AndAsksForNothing_IsToldToo()
    {
        await using var kit = new MessageKit(
            static exchange => MessageKit.AnswerAsync(exchange, 200, ""), new MessageServerOptions { ExchangeIdleTimeout = TimeSpan.FromMilliseconds(400) });
        kit.Server.LeadOn();
        await using var connection = await kit.OpenAsync(HttpProtocolVersion.Http2);

        await UntilUnusableAsync(connection);
    }

    private static async Task UntilUnusableAsync(MessageClientConnection connection)
    {
        using var deadline = new CancellationTokenSource(MessageKit.Patience);
        while (connection.IsUsable)
        {
            Assert.False(deadline.IsCancellationRequested, "GOAWAY never came");
            await Task.Delay(10, CancellationToken.None);
        }
    }
}
