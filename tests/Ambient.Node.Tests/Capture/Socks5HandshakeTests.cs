using System.Net;
using System.Net.Sockets;
using Ambient.Node.Capture.Socks5;
using Ambient.Testing.Fuzzing;

namespace Ambient.Node.Tests.Capture;

public sealed class Socks5HandshakeTests : IAsyncLifetime, IDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly Socket _client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private Socket _server = null!;

    public async Task InitializeAsync()
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        await _client.ConnectAsync(_listener.LocalEndPoint!);
        _server = await _listener.AcceptAsync();
    }

    public Task DisposeAsync() => Task.CompletedTask;

    public void Dispose()
    {
        _client.Dispose();
        _server.Dispose();
        _listener.Dispose();
    }

    [Theory]
    [InlineData(new byte[] { 1, 127, 1, 2, 3, 0x23, 0x78 }, null, "127.1.2.3", 9080)]
    [InlineData(new byte[] { 3, 3, (byte)'a', (byte)'.', (byte)'b', 0, 80 }, "a.b", null, 80)]
    [InlineData(new byte[] { 3, 7, (byte)'1', (byte)'.', (byte)'2', (byte)'.', (byte)'3', (byte)'.', (byte)'4', 0, 80 }, null, "1.2.3.4", 80)]
    [InlineData(new byte[] { 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 80 }, null, "::1", 80)]
    [InlineData(new byte[] { 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1, 0, 80 }, null, "10.0.0.1", 80)]
    public async Task Read_LegalRequest_TellsTheTarget(byte[] address, string? name, string? ip, int port)
    {
        // All in one piece, with the first bytes of the connection behind it: not one of those is taken.
        await _client.SendAsync((byte[])[5, 2, 2, 0, 5, 1, 0, .. address, 42]);

        var target = await Socks5Handshake.ReadAsync(_server, CancellationToken.None);

        Assert.Equal(new Socks5Target(name, ip is null ? null : IPAddress.Parse(ip), port), target);
        var next = new byte[8];
        Assert.Equal(1, await _server.ReceiveAsync(next));
        Assert.Equal(42, next[0]);
        Assert.Equal(2, await _client.ReceiveAsync(next));
        Assert.Equal([5, 0], next[..2]);
    }

    [Fact]
    public async Task Read_ByteByByte_IsTheSame()
    {
        var reading = Socks5Handshake.ReadAsync(_server, CancellationToken.None).AsTask();
        foreach (var b in (byte[])[5, 1, 0, 5, 1, 0, 3, 1, (byte)'x', 1, 0])
        {
            await _client.SendAsync(new[] { b });
        }

        Assert.Equal(new Socks5Target("x", null, 256), await reading.WaitAsync(TimeSpan.FromSeconds(30)));
    }

    [Theory]
    [InlineData(new byte[] { 4, 1, 0, 80, 1, 2, 3, 4, 0 }, 7)]
    [InlineData(new byte[] { 5, 0 }, 7)]
    [InlineData(new byte[] { 5, 2, 1, 2 }, 7)]
    [InlineData(new byte[] { 5, 1, 0, 4, 1, 0, 1, 0, 0 }, 7)]
    [InlineData(new byte[] { 5, 1, 0, 5, 2, 0, 1, 1, 2, 3, 4, 0, 80 }, 7)]
    [InlineData(new byte[] { 5, 1, 0, 5, 3, 0, 1, 1, 2, 3, 4, 0, 80 }, 7)]
    [InlineData(new byte[] { 5, 1, 0, 5, 1, 0, 9, 1, 2, 3, 4, 0, 80 }, 7)]
    [InlineData(new byte[] { 5, 1, 0, 5, 1, 0, 3, 0, 0, 80 }, 7)]
    [InlineData(new byte[] { 5, 1, 0, 5, 1, 0, 3, 3, (byte)'a', 10, (byte)'b', 0, 80 }, 7)]
    [InlineData(new byte[] { 5, 1, 0, 5, 1, 0, 3, 2, 0xC3, 0xA4, 0, 80 }, 7)]
    [InlineData(new byte[] { 5, 1, 0, 5, 1, 0, 1, 1, 2 }, 1)]
    public async Task Read_WhatIsNotSocks5OrNotSupported_IsRefusedWithTheReferencesCode(byte[] bytes, int reply)
    {
        await _client.SendAsync(bytes);
        _client.Shutdown(SocketShutdown.Send);

        var e = await Assert.ThrowsAsync<Socks5Exception>(async () => await Socks5Handshake.ReadAsync(_server, CancellationToken.None));

        Assert.Equal(reply, (int)e.Reply);
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public async Task Read_RandomBytes_NeverDoesAnythingElseThanAnswerOrRefuse()
    {
        await FuzzBudget.RunAsync(300, async random =>
        {
            using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await client.ConnectAsync(_listener.LocalEndPoint!);
            using var server = await _listener.AcceptAsync();
            var bytes = new byte[random.Next(1, 40)];
            random.NextBytes(bytes);

            // Mostly right at first, so that the later steps are reached too.
            byte[] start = [5, 1, 0, 5, 1, 0, (byte)random.Next(1, 5)];
            start.AsSpan(0, Math.Min(random.Next(0, 8), bytes.Length)).CopyTo(bytes);
            await client.SendAsync(bytes);
            client.Shutdown(SocketShutdown.Send);
            try
            {
                var target = await Socks5Handshake.ReadAsync(server, CancellationToken.None).AsTask().WaitAsync(TimeSpan.FromSeconds(30));
                Assert.True(target.Name is null != target.Address is null);
                Assert.InRange(target.Port, 0, 65535);
            }
            catch (Socks5Exception e)
            {
                Assert.NotEmpty(e.Message);
            }
        });
    }
}
