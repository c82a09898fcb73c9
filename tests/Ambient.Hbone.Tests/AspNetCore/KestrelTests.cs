using System.Net;
using Ambient.Hbone.AspNetCore;
using Ambient.Hbone.Connect;
using Ambient.Identity;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Ambient.Hbone.Tests.AspNetCore;

public sealed class KestrelTests
{
    private sealed record Feature(SpiffeId PeerIdentity, string Authority, IPEndPoint RemoteEndPoint, IPEndPoint? Destination) : IHboneConnectionFeature;

    [Fact]
    public async Task Kestrel_ServesHttpInsideTunnels_AndHttpClientCallsThroughThem()
    {
        var transport = new HboneTransport();
        var endPoint = new HboneEndPoint("test");
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<IConnectionListenerFactory>(transport);
        builder.WebHost.ConfigureKestrel(options => options.Listen(endPoint));
        await using var app = builder.Build();
        app.MapGet("/who", (HttpContext context) =>
        {
            var hbone = context.Features.Get<IHboneConnectionFeature>()!;
            return $"{hbone.PeerIdentity} {context.Connection.RemoteIpAddress} {context.Connection.LocalIpAddress}";
        });
        app.MapPost("/length", async (HttpContext context) =>
        {
            var total = 0L;
            var buffer = new byte[65536];
            int count;
            while ((count = await context.Request.Body.ReadAsync(buffer)) > 0)
            {
                total += count;
            }

            return total.ToString(System.Globalization.CultureInfo.InvariantCulture);
        });
        await app.StartAsync();
        await using var pair = new HbonePair().Start(async (connect, token) =>
        {
            var tunnel = connect.Accept();
            await transport.ServeAsync(
                endPoint, tunnel, new Feature(connect.PeerIdentity, connect.Authority, connect.RemoteEndPoint, IPEndPoint.Parse(connect.Authority)), token);
        });
        using var handler = new SocketsHttpHandler
        {
            UseProxy = false,
            ConnectCallback = HboneDialer.Create(pair.Client, (_, _) => new ValueTask<HboneConnectRequest?>(pair.Request("10.1.2.3:80"))),
        };
        using var http = new HttpClient(handler);

        Assert.Equal($"{pair.ClientId} 127.0.0.1 10.1.2.3", await http.GetStringAsync(new Uri("http://server/who")).WaitAsync(HbonePair.Patience));
        using var content = new ByteArrayContent(new byte[10_000_000]);
        using var answer = await http.PostAsync(new Uri("http://server/length"), content).WaitAsync(HbonePair.Patience);
        Assert.Equal("10000000", await answer.Content.ReadAsStringAsync());
        using var gone = await http.GetAsync(new Uri("http://server/nothing")).WaitAsync(HbonePair.Patience);
        Assert.Equal(HttpStatusCode.NotFound, gone.StatusCode);
        Assert.Equal(1, pair.Client.PooledConnections);
        await app.StopAsync();
    }
}
