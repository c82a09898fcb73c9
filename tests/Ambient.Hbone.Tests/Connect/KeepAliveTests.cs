using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Hbone.Tests.Connect;

public sealed class KeepAliveTests
{
    [Fact]
    public async Task Pings_AnsweredByTheOtherSide_KeepTheConnection()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);

        // Longer than a PING may wait for its answer, with a step of the clock for each moment that a busy machine may take over it.
        var patience = TimeSpan.FromSeconds(200);
        await using var pair = new HbonePair { Time = time, ClientOptions = { PingTimeout = patience }, ServerOptions = { PingTimeout = patience } }.Start(Echo.HandleAsync);
        await using var tunnel = await pair.ConnectAsync();

        for (var i = 0; i < 250; i++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(5);
        }

        await tunnel.Output.WriteAsync("alive"u8.ToArray());
        await tunnel.Output.CompleteAsync();
        Assert.Equal("alive"u8.ToArray(), await Echo.ReadAllAsync(tunnel));
    }

    [Fact]
    public async Task Pings_ThatNobodyAnswers_EndTheConnection()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var pair = new HbonePair { Time = time }.Start(Echo.HandleAsync);
        using var silence = new Silence(pair.EndPoint);
        await using var tunnel = await pair.ConnectAsync(pair.Request() with { NextHop = silence.EndPoint });
        silence.Fall();
        for (var i = 0; i < 3000 && !tunnel.Closed.IsCancellationRequested; i++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(5);
        }

        var failure = await Assert.ThrowsAsync<IOException>(() => Echo.ReadAllAsync(tunnel));
        Assert.Contains("PING", failure.Message, StringComparison.Ordinal);
    }

    /// <summary>Passes bytes on between client and listener, until it does not.</summary>
    private sealed class Silence : IDisposable
    {
        private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        private readonly List<Socket> _open = [];
        private readonly IPEndPoint _target;
        private volatile bool _fallen;

        public Silence(IPEndPoint target)
        {
            _target = target;
            _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            _listener.Listen();
            _ = RunAsync();
        }

        public IPEndPoint EndPoint => (IPEndPoint)_listener.LocalEndPoint!;

        public void Fall() => _fallen = true;

        public void Dispose()
        {
            _listener.Dispose();
            _open.ForEach(socket => socket.Dispose());
        }

        private async Task RunAsync()
        {
            var client = await _listener.AcceptAsync();
            var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            _open.AddRange([client, server]);
            await server.ConnectAsync(_target);
            _ = PassAsync(client, server);
            _ = PassAsync(server, client);
        }

        private async Task PassAsync(Socket from, Socket to)
        {
            try
            {
                var buffer = new byte[65536];
                int count;
                while ((count = await from.ReceiveAsync(buffer.AsMemory())) > 0)
                {
                    if (!_fallen)
                    {
                        await to.SendAsync(buffer.AsMemory(0, count));
                    }
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
            }
        }
    }
}
