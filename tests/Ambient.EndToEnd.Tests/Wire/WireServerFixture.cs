using System.Net;
using System.Net.Sockets;
using Ambient.Testing;

namespace Ambient.EndToEnd.Tests.Wire;

/// <summary>The server side of the recording: our ztunnel beside <c>productpage-v1</c>, and its app.</summary>
#pragma warning disable CA1001 // xunit ends it by IAsyncLifetime.
public sealed class WireServerFixture : IAsyncLifetime
{
    /// <summary>Where the recording's 10.77.0.0/24 is here.</summary>
    internal const string Network = "127.77.0";

    // What the recording's app answered, headers and all.
    private const int AnswerLength = 1024 + 145;
    private readonly CancellationTokenSource _stop = new();
    private Socket? _app;
    private Task _serving = Task.CompletedTask;

    internal WireZtunnel? Ztunnel { get; private set; }

    public async Task InitializeAsync()
    {
        if (GoldenFolder.Root is null)
        {
            return;
        }

        _app = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        _app.Bind(new IPEndPoint(IPAddress.Parse($"{Network}.3"), 8080));
        _app.Listen();
        _serving = ServeAsync(_app);
        Ztunnel = await WireZtunnel.StartAsync(Network);
    }

    public async Task DisposeAsync()
    {
        if (_app is null)
        {
            return;
        }

        if (Ztunnel is not null)
        {
            await Ztunnel.DisposeAsync();
        }

        await _stop.CancelAsync();
        _app.Dispose();
        await _serving.WaitAsync(WireZtunnel.Patience);
        _stop.Dispose();
    }

    private async Task ServeAsync(Socket listener)
    {
        while (true)
        {
            Socket client;
            try
            {
                client = await listener.AcceptAsync(_stop.Token);
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                return;
            }

            _ = AnswerAsync(client);
        }
    }

    private static async Task AnswerAsync(Socket client)
    {
        using (client)
        {
            await client.ReceiveAsync(new byte[4096]);
            await client.SendAsync(new byte[AnswerLength]);
            client.Shutdown(SocketShutdown.Send);
            await client.ReceiveAsync(new byte[4096]);
        }
    }
}
