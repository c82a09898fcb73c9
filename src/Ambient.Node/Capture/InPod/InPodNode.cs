using System.Net.Sockets;
using Ambient.Node.Protos.Zds;
using Google.Protobuf;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Capture.InPod;

/// <summary>
/// The pods of a node, each in its own network namespace (<c>PROXY_MODE=shared</c>): asks the network plugin which there are, and does what it
/// says (docs/protocol.md, "The network plugin"). The plugin may come and go; what runs goes on.
/// </summary>
internal sealed partial class InPodNode : INodeCapture
{
    private static readonly TimeSpan s_retry = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_shortest = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(15);

    private readonly string _path;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _running = Task.CompletedTask;

    /// <summary>Creates the node.</summary>
    /// <param name="path">Socket of the network plugin (<c>INPOD_UDS</c>).</param>
    /// <param name="pods">What is kept to what it tells.</param>
    /// <param name="time">Clock.</param>
    /// <param name="logger">Log.</param>
    public InPodNode(string path, PodProxies pods, TimeProvider time, ILogger logger)
    {
        _path = path;
        Pods = pods;
        _time = time;
        _logger = logger;
    }

    /// <summary>The pods.</summary>
    public PodProxies Pods { get; }

    /// <inheritdoc/>
    public Task Failed => _failed.Task;

    /// <inheritdoc/>
    public Task StartAsync()
    {
        _running = Task.Run(RunAsync);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task DrainAsync(CancellationToken deadline)
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
        await Pods.DrainAsync(deadline).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
        await Pods.DisposeAsync().ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        var retrying = RetryAsync();
        var delay = s_shortest;
        var said = false;
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                using var socket = await ZdsSocket.ConnectAsync(_path, _stop.Token).ConfigureAwait(false);
                said = false;
                delay = s_shortest;
                await ServeAsync(socket).ConfigureAwait(false);
                LogGone(_logger, _path);
            }
            catch (ZdsProtocolException e)
            {
                _failed.TrySetException(new IOException($"the network plugin broke its protocol: {e.Message}"));
                break;
            }
            catch (OperationCanceledException)
            {
                break;
            }
            catch (Exception e) when (e is SocketException or IOException)
            {
                // Said once for as long as it lasts.
                if (!said)
                {
                    LogUnreachable(_logger, _path, e.Message);
                    said = true;
                }
            }

            await Pods.DisconnectedAsync().ConfigureAwait(false);
            if (!await PauseAsync(delay).ConfigureAwait(false))
            {
                break;
            }

            delay = delay * 2 < s_longest ? delay * 2 : s_longest;
        }

        await _stop.CancelAsync().ConfigureAwait(false);
        await retrying.ConfigureAwait(false);
    }

    private async Task ServeAsync(ZdsSocket socket)
    {
        await socket.SendAsync(new ZdsHello { Version = Protos.Zds.Version.V1 }.ToByteArray(), _stop.Token).ConfigureAwait(false);
        await Pods.ConnectedAsync().ConfigureAwait(false);
        LogConnected(_logger, _path);
        var buffer = new byte[ZdsSocket.PacketSize];
        while (true)
        {
            var (length, descriptors) = await socket.ReceiveAsync(buffer, _stop.Token).ConfigureAwait(false);
            if (length == 0)
            {
                return;
            }

            string? complaint;
            try
            {
                complaint = await HandleAsync(ZdsMessage.Read(buffer.AsSpan(0, length), descriptors)).ConfigureAwait(false);
            }
            catch (InvalidDataException e)
            {
                // What was meant is unknown: the plugin tells everything again to a new connection.
                await AnswerAsync(socket, $"failure to read message : {e.Message}").ConfigureAwait(false);
                throw new IOException($"failure to read message: {e.Message}", e);
            }
            catch (ZdsProtocolException e)
            {
                await AnswerAsync(socket, e.Message).ConfigureAwait(false);
                throw;
            }

            await AnswerAsync(socket, complaint).ConfigureAwait(false);
        }
    }

    private async Task<string?> HandleAsync(ZdsMessage message)
    {
        switch (message)
        {
            case ZdsMessage.Add add:
                return await Pods.AddAsync(add.Uid, add.Info, add.Network).ConfigureAwait(false);
            case ZdsMessage.Keep keep:
                await Pods.KeepAsync(keep.Uid).ConfigureAwait(false);
                return null;
            case ZdsMessage.Del del:
                await Pods.DeleteAsync(del.Uid).ConfigureAwait(false);
                return null;
            default:
                await Pods.SnapshotAsync().ConfigureAwait(false);
                return null;
        }
    }

    private async Task AnswerAsync(ZdsSocket socket, string? complaint) => await socket.SendAsync(
        new WorkloadResponse { Ack = new Ack { Error = Cut(complaint ?? "") } }.ToByteArray(), _stop.Token).ConfigureAwait(false);

    /// <summary>An answer has to fit into a packet.</summary>
    private static string Cut(string text) => text.Length <= 300 ? text : text[..300];

    private async Task RetryAsync()
    {
        while (await PauseAsync(s_retry).ConfigureAwait(false))
        {
            if (Pods.HasPending)
            {
                await Pods.RetryAsync().ConfigureAwait(false);
            }
        }
    }

    private async Task<bool> PauseAsync(TimeSpan delay)
    {
        try
        {
            await Task.Delay(delay, _time, _stop.Token).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    [LoggerMessage(5010, LogLevel.Information, "connected to the network plugin at {Path}")]
    private static partial void LogConnected(ILogger logger, string path);

    [LoggerMessage(5011, LogLevel.Warning, "the network plugin at {Path} closed the connection; pods that run go on, and it is tried again")]
    private static partial void LogGone(ILogger logger, string path);

    [LoggerMessage(5012, LogLevel.Warning, "the network plugin cannot be reached at {Path}: {Reason}. Pods that run go on; is istio-cni running on this node, and its socket mounted?")]
    private static partial void LogUnreachable(ILogger logger, string path, string reason);
}
