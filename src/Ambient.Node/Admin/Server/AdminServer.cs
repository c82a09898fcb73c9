using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Admin.Server;

/// <summary>Answers one admin request.</summary>
internal delegate ValueTask<AdminResponse> AdminHandler(AdminRequest request, CancellationToken cancellationToken);

/// <summary>
/// A small HTTP/1.1 responder for admin, metrics and readiness: one request per connection, a bounded head, a deadline for everything, and a
/// bounded number of connections (<see cref="AdminPlaces"/>). A web server would cost a third of a ztunnel's whole memory.
/// </summary>
internal sealed partial class AdminServer : IAsyncDisposable
{
    private static readonly TimeSpan HeadTimeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LongestAnswer = TimeSpan.FromMinutes(5);

    private readonly Socket _listener;
    private readonly AdminHandler _handler;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopping = new();
    private readonly AdminPlaces _places;
    private readonly string _name;
    private Task _accepting = Task.CompletedTask;

    private AdminServer(string name, Socket listener, AdminHandler handler, TimeProvider time, ILogger logger)
    {
        _name = name;
        _places = new AdminPlaces(time);
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
                // Out of descriptors, or a client that is already gone: neither ends the listener.
                LogAcceptFailed(_logger, _name, e.Message);
                await Task.Delay(TimeSpan.FromMilliseconds(100), _time, CancellationToken.None).ConfigureAwait(false);
                continue;
            }

            if (_places.Enter(client) is not { } place)
            {
                client.Dispose();
                continue;
            }

            _ = ServeAsync(place);
        }
    }

    private async Task ServeAsync(AdminPlaces.Place place)
    {
        try
        {
            using (var client = place.Client)
            using (var deadline = new CancellationTokenSource(HeadTimeout, _time))
            using (var stop = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, _stopping.Token))
            {
                client.NoDelay = true;
                var buffer = new byte[1024];
                var head = await AdminRequestReader.ReadHeadAsync(client, buffer, stop.Token).ConfigureAwait(false);
                place.Progress();
                deadline.CancelAfter(AnswerTimeout);
                var request = head is null || AdminRequestReader.Parse(head) is not { } parsed ? null : parsed with { IsLocal = IPAddress.IsLoopback(place.Address) };
                var response = request is null ? AdminResponse.Text(400, "bad request\n") : await AnswerAsync(request, stop.Token).ConfigureAwait(false);
                var begun = _time.GetTimestamp();
                await SendAsync(client, request, response, Progress, stop.Token).ConfigureAwait(false);

                // Closing with unread bytes would reset the connection under the answer.
                client.Shutdown(SocketShutdown.Send);
                deadline.CancelAfter(HeadTimeout);
                place.Answered();
                for (var read = 0; read < AdminRequestReader.MaxHead;)
                {
                    var count = await client.ReceiveAsync(buffer, stop.Token).ConfigureAwait(false);
                    if (count == 0)
                    {
                        break;
                    }

                    read += count;
                }

                // A client that keeps reading may go on for a while: the answer may be long and the connection slow.
                void Progress()
                {
                    place.Progress();
                    if (_time.GetElapsedTime(begun) < LongestAnswer)
                    {
                        deadline.CancelAfter(AnswerTimeout);
                    }
                }
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException or IOException)
        {
            // The client left, was too slow or lost its place to another, or we are stopping.
        }
#pragma warning disable CA1031 // A body that cannot be written fails this request alone; the connection ends in the middle of it, so that nobody takes it for complete.
        catch (Exception e)
#pragma warning restore CA1031
        {
            LogHandlerFailed(_logger, e, _name, "a body");
        }
        finally
        {
            _places.Leave(place);
        }
    }

    private async ValueTask<AdminResponse> AnswerAsync(AdminRequest request, CancellationToken cancellationToken)
    {
        try
        {
            return await _handler(request, cancellationToken).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // An endpoint that fails must not take the host down.
        catch (Exception e) when (e is not OperationCanceledException)
#pragma warning restore CA1031
        {
            LogHandlerFailed(_logger, e, _name, request.Path);
            return AdminResponse.Text(500, "internal error; see the log\n");
        }
    }

    private static async ValueTask SendAsync(Socket client, AdminRequest? request, AdminResponse response, Action progress, CancellationToken cancellationToken)
    {
        var gzip = response.Compressible && request is { TakesGzip: true };
        var chunked = response.Writer is not null && request is { TakesChunks: true };
        var length = chunked ? "transfer-encoding: chunked\r\n" : response.Writer is null ? $"content-length: {response.Body.Length}\r\n" : "";
        var body = new AdminBody(client, chunked, progress);
        await using (body.ConfigureAwait(false))
        {
            await body.SendAsync(
                Encoding.Latin1.GetBytes(
                    $"HTTP/1.1 {response.Status} {ReasonOf(response.Status)}\r\ncontent-type: {response.ContentType}\r\n{length}"
                    + $"{(gzip ? "content-encoding: gzip\r\n" : "")}{(response.Compressible ? "vary: accept-encoding\r\n" : "")}connection: close\r\n\r\n"),
                cancellationToken).ConfigureAwait(false);
            if (request?.Method == "HEAD")
            {
                return;
            }

            if (response.Writer is not { } writer)
            {
                await body.SendAsync(response.Body, cancellationToken).ConfigureAwait(false);
            }
            else if (gzip)
            {
                var compressed = new GZipStream(body, CompressionLevel.Fastest, leaveOpen: true);
                await using (compressed.ConfigureAwait(false))
                {
                    await writer(compressed, cancellationToken).ConfigureAwait(false);
                }
            }
            else
            {
                await writer(body, cancellationToken).ConfigureAwait(false);
            }

            await body.EndAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private static string ReasonOf(int status) => status switch
    {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    };

    [LoggerMessage(6000, LogLevel.Warning, "{Server}: accepting failed: {Reason}")]
    private static partial void LogAcceptFailed(ILogger logger, string server, string reason);

    [LoggerMessage(6001, LogLevel.Error, "{Server}: {Path} failed")]
    private static partial void LogHandlerFailed(ILogger logger, Exception exception, string server, string path);
}
