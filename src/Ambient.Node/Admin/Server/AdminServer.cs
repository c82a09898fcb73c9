using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Admin.Server;

/// <summary>Answers one admin request.</summary>
internal delegate ValueTask<AdminResponse> AdminHandler(AdminRequest request, CancellationToken cancellationToken);

/// <summary>
/// A small HTTP/1.1 responder for admin, metrics and readiness: one request a connection, a bounded head, a deadline for
/// everything, a bounded number of connections. A web server would cost a third of a ztunnel's whole memory.
/// </summary>
internal sealed partial class AdminServer : IAsyncDisposable
{
    private const int MaxHead = 8 * 1024;
    private const int MaxConnections = 64;
    private static readonly TimeSpan HeadTimeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(30);

    private readonly Socket _listener;
    private readonly AdminHandler _handler;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopping = new();
    private readonly SemaphoreSlim _places = new(MaxConnections);
    private readonly string _name;
    private Task _accepting = Task.CompletedTask;

    private AdminServer(string name, Socket listener, AdminHandler handler, TimeProvider time, ILogger logger)
    {
        _name = name;
        _listener = listener;
        _handler = handler;
        _time = time;
        _logger = logger;
        LocalEndPoint = (IPEndPoint)listener.LocalEndPoint!;
    }

    /// <summary>Address that is served.</summary>
    public IPEndPoint LocalEndPoint { get; }

    /// <summary>Binds and starts to answer.</summary>
    /// <param name="name">What it is, for errors and logs: <c>admin</c>, <c>stats</c>, <c>readiness</c>.</param>
    /// <param name="address">Where; <c>[::]</c> listens on IPv4 as well.</param>
    /// <param name="handler">Answers.</param>
    /// <param name="time">Clock.</param>
    /// <param name="logger">Told of handlers that fail.</param>
    /// <exception cref="IOException">The address is taken or not ours; the message names it.</exception>
    public static AdminServer Start(string name, IPEndPoint address, AdminHandler handler, TimeProvider time, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(address);
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (address.AddressFamily == AddressFamily.InterNetworkV6)
            {
                socket.DualMode = address.Address.Equals(IPAddress.IPv6Any);
            }

            socket.Bind(address);
            socket.Listen(128);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new IOException($"{name}: cannot listen on {address}: {e.Message}", e);
        }

        var server = new AdminServer(name, socket, handler, time, logger);
        server._accepting = server.AcceptAsync();
        return server;
    }

    /// <summary>Stops answering.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        _listener.Dispose();
        await _accepting.ConfigureAwait(false);
        _stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_stopping.IsCancellationRequested)
        {
            Socket client;
            try
            {
                client = await _listener.AcceptAsync(_stopping.Token).ConfigureAwait(false);
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException e)
            {
                // Out of descriptors, or a client that left again: neither is the end of the listener.
                LogAcceptFailed(_logger, _name, e.Message);
                await Task.Delay(TimeSpan.FromMilliseconds(100), _time, CancellationToken.None).ConfigureAwait(false);
                continue;
            }

            if (!await _places.WaitAsync(0, CancellationToken.None).ConfigureAwait(false))
            {
                client.Dispose();
                continue;
            }

            _ = ServeAsync(client);
        }
    }

    private async Task ServeAsync(Socket client)
    {
        try
        {
            using (client)
            using (var deadline = new CancellationTokenSource(HeadTimeout, _time))
            using (var stop = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, _stopping.Token))
            {
                client.NoDelay = true;
                var buffer = new byte[1024];
                var head = await ReadHeadAsync(client, buffer, stop.Token).ConfigureAwait(false);
                deadline.CancelAfter(AnswerTimeout);
                var request = head is null ? null : Parse(head);
                var response = request is null ? AdminResponse.Text(400, "bad request\n") : await AnswerAsync(request, stop.Token).ConfigureAwait(false);
                await SendAsync(client, response, withBody: request?.Method != "HEAD", stop.Token).ConfigureAwait(false);

                // Closing with unread bytes would reset the connection under the answer.
                client.Shutdown(SocketShutdown.Send);
                deadline.CancelAfter(HeadTimeout);
                for (var read = 0; read < MaxHead;)
                {
                    var count = await client.ReceiveAsync(buffer, stop.Token).ConfigureAwait(false);
                    if (count == 0)
                    {
                        break;
                    }

                    read += count;
                }
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException or IOException)
        {
            // The client left, was too slow, or we stop.
        }
        finally
        {
            _places.Release();
        }
    }

    private async ValueTask<AdminResponse> AnswerAsync(AdminRequest request, CancellationToken cancellationToken)
    {
        try
        {
            return await _handler(request, cancellationToken).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // An endpoint that fails is that request's misfortune, not the host's.
        catch (Exception e) when (e is not OperationCanceledException)
#pragma warning restore CA1031
        {
            LogHandlerFailed(_logger, e, _name, request.Path);
            return AdminResponse.Text(500, "internal error; see the log\n");
        }
    }

    /// <summary>Reads up to the empty line; null when there is none within the limit.</summary>
    private static async ValueTask<string?> ReadHeadAsync(Socket client, byte[] small, CancellationToken cancellationToken)
    {
        var buffer = small;
        var length = 0;
        while (true)
        {
            if (length == buffer.Length)
            {
                if (length >= MaxHead)
                {
                    return null;
                }

                Array.Resize(ref buffer, buffer.Length * 2);
            }

            var count = await client.ReceiveAsync(buffer.AsMemory(length), cancellationToken).ConfigureAwait(false);
            if (count == 0)
            {
                return null;
            }

            var searchFrom = Math.Max(0, length - 3);
            length += count;
            var end = buffer.AsSpan(searchFrom, length - searchFrom).IndexOf("\r\n\r\n"u8);
            if (end >= 0)
            {
                return Encoding.Latin1.GetString(buffer, 0, searchFrom + end);
            }
        }
    }

    private static AdminRequest? Parse(string head)
    {
        var lines = head.Split("\r\n");
        if (lines[0].Split(' ') is not [{ Length: > 0 } method, { Length: > 0 } target, "HTTP/1.1" or "HTTP/1.0"])
        {
            return null;
        }

        if (!target.StartsWith('/'))
        {
            // The absolute form; its authority says nothing here.
            if (!Uri.TryCreate(target, UriKind.Absolute, out var uri) || uri.Scheme != Uri.UriSchemeHttp)
            {
                return null;
            }

            target = uri.PathAndQuery;
        }

        var (accept, encoding) = ("", "");
        foreach (var line in lines.AsSpan(1))
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon <= 0)
            {
                return null;
            }

            if (line.AsSpan(0, colon).Equals("accept", StringComparison.OrdinalIgnoreCase))
            {
                accept = accept.Length == 0 ? line[(colon + 1)..].Trim() : $"{accept},{line[(colon + 1)..].Trim()}";
            }
            else if (line.AsSpan(0, colon).Equals("accept-encoding", StringComparison.OrdinalIgnoreCase))
            {
                encoding = encoding.Length == 0 ? line[(colon + 1)..].Trim() : $"{encoding},{line[(colon + 1)..].Trim()}";
            }
        }

        var question = target.IndexOf('?', StringComparison.Ordinal);
        return new AdminRequest(method, question < 0 ? target : target[..question], question < 0 ? "" : target[(question + 1)..], accept) { AcceptEncoding = encoding };
    }

    private static async ValueTask SendAsync(Socket client, AdminResponse response, bool withBody, CancellationToken cancellationToken)
    {
        var head = Encoding.Latin1.GetBytes(
            $"HTTP/1.1 {response.Status} {ReasonOf(response.Status)}\r\ncontent-type: {response.ContentType}\r\ncontent-length: {response.Body.Length}\r\n{(response.Encoding is { } encoding ? $"content-encoding: {encoding}\r\nvary: accept-encoding\r\n" : "")}connection: close\r\n\r\n");
        await SendAllAsync(client, head, cancellationToken).ConfigureAwait(false);
        if (withBody)
        {
            await SendAllAsync(client, response.Body, cancellationToken).ConfigureAwait(false);
        }
    }

    private static async ValueTask SendAllAsync(Socket client, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await client.SendAsync(bytes, cancellationToken).ConfigureAwait(false)..];
        }
    }

    private static string ReasonOf(int status) => status switch
    {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    };

    [LoggerMessage(1, LogLevel.Warning, "{Server}: accepting failed: {Reason}")]
    private static partial void LogAcceptFailed(ILogger logger, string server, string reason);

    [LoggerMessage(2, LogLevel.Error, "{Server}: {Path} failed")]
    private static partial void LogHandlerFailed(ILogger logger, Exception exception, string server, string path);
}
