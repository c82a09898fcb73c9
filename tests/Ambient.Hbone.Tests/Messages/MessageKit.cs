using System.Net;
using System.Net.Sockets;
using System.Text;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Http;

namespace Ambient.Hbone.Tests.Messages;

/// <summary>A server of messages on a loopback port, and what tests say to it byte by byte.</summary>
internal sealed class MessageKit : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _ended = new();
    private readonly List<Task> _serving = [];
    private readonly Task _accepting;

    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public MessageKit(Func<ServerExchange, ValueTask> handle, MessageServerOptions? options = null, TimeProvider? time = null)
    {
        Handler = new DelegateHandler(handle);
        Server = new MessageServer(Handler, options ?? new MessageServerOptions(), time ?? TimeProvider.System);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public DelegateHandler Handler { get; }

    public MessageServer Server { get; }

    public IPEndPoint EndPoint => (IPEndPoint)_listener.LocalEndpoint;

    /// <summary>Answers with a body of text.</summary>
    public static async ValueTask AnswerAsync(ServerExchange exchange, int status, string body)
    {
        exchange.Response.Status = status;
        exchange.Response.HasBody = true;
        exchange.Response.ContentLength = body.Length;
        await exchange.SendHeadAsync(exchange.Response, end: false);
        await exchange.WriteAsync(Encoding.Latin1.GetBytes(body));
        await exchange.EndAsync();
    }

    /// <summary>Changes the protocol, or lets a CONNECT through, and says again what is said, until the client ends; then says goodbye.</summary>
    public static async ValueTask EchoUpgradedAsync(ServerExchange exchange, int status)
    {
        exchange.Response.Status = status;
        exchange.Response.Upgrade = exchange.Request.Upgrade;
        await exchange.SendHeadAsync(exchange.Response, end: false);
        await exchange.FlushAsync();
        while (await exchange.ReadAsync() is { IsEmpty: false } piece)
        {
            await exchange.WriteAsync(piece);
            await exchange.FlushAsync();
        }

        await exchange.WriteAsync("bye"u8.ToArray());
        await exchange.EndAsync();
    }

    /// <summary>All of a body, as text.</summary>
    public static async ValueTask<string> ReadAllAsync(MessageExchange exchange)
    {
        var text = new StringBuilder();
        while (true)
        {
            var piece = await exchange.ReadAsync();
            if (piece.IsEmpty)
            {
                return text.ToString();
            }

            text.Append(Encoding.Latin1.GetString(piece.Span));
        }
    }

    public async Task<Socket> ConnectAsync()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(EndPoint);
        return socket;
    }

    /// <summary>A client of the server.</summary>
    public async Task<MessageClientConnection> OpenAsync(HttpProtocolVersion version = HttpProtocolVersion.Http11, MessageClientOptions? options = null) =>
        MessageClient.Open(MessageChannel.Over(await ConnectAsync(), HboneIo.Default), version, options ?? new MessageClientOptions(), TimeProvider.System);

    /// <summary>Says something and reads until the server closes.</summary>
    public async Task<string> SayAsync(string text)
    {
        using var socket = await ConnectAsync();
        await socket.SendAsync(Encoding.Latin1.GetBytes(text));
        return await ReadToEndAsync(socket);
    }

    public static async Task<string> ReadToEndAsync(Socket socket)
    {
        var all = new MemoryStream();
        var buffer = new byte[4096];
        while (await socket.ReceiveAsync(buffer).WaitAsync(Patience) is > 0 and var count)
        {
            all.Write(buffer, 0, count);
        }

        return Encoding.Latin1.GetString(all.ToArray());
    }

    /// <summary>Reads until what came ends with a text.</summary>
    public static async Task<string> ReadUntilAsync(Socket socket, string end)
    {
        var all = new StringBuilder();
        var buffer = new byte[4096];
        while (!all.ToString().EndsWith(end, StringComparison.Ordinal))
        {
            var count = await socket.ReceiveAsync(buffer).WaitAsync(Patience);
            Assert.True(count > 0, $"the server closed after: {all}");
            all.Append(Encoding.Latin1.GetString(buffer, 0, count));
        }

        return all.ToString();
    }

    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        _listener.Dispose();
        await _accepting;
        await Server.DisposeAsync();
        await Task.WhenAll(_serving).WaitAsync(Patience);
        _ended.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var socket = await _listener.AcceptSocketAsync(_ended.Token);
                socket.NoDelay = true;
                _serving.Add(Server.ServeAsync(MessageChannel.Over(socket, HboneIo.Default), "state", null, CancellationToken.None));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // The end of the test.
        }
    }

    internal sealed class DelegateHandler(Func<ServerExchange, ValueTask> handle) : IMessageHandler
    {
        public List<MessageRefusal> Refusals { get; } = [];

        public List<Exception> Failures { get; } = [];

        public ValueTask HandleAsync(ServerExchange exchange) => handle(exchange);

        public void OnRefused(in MessageRefusal refusal)
        {
            lock (Refusals)
            {
                Refusals.Add(refusal);
            }
        }

        public void OnFailed(ServerExchange exchange, Exception failure)
        {
            lock (Failures)
            {
                Failures.Add(failure);
            }
        }
    }
}
