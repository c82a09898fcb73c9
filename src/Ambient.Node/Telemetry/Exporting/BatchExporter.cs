using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Ambient.Node.Telemetry.Metrics;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Telemetry.Exporting;

/// <summary>
/// Sends what requests leave behind to one collector, in batches, from a queue of its own: a request never waits for it. What does not fit, and what could
/// not be sent, is dropped and counted.
/// </summary>
/// <typeparam name="T">What is sent.</typeparam>
internal abstract class BatchExporter<T> : IAsyncDisposable
{
    /// <summary>How many may wait.</summary>
    public const int Capacity = 4096;

    private const int Batch = 512;
    private static readonly TimeSpan s_gather = TimeSpan.FromSeconds(1);

    private readonly Channel<T> _queue;
    private readonly CollectorTarget _target;
    private readonly MeshConnect _connect;
    private readonly ExportCounters _counters;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly HttpMessageInvoker _client;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;
    private bool _failing;

    /// <summary>Creates and starts an exporter.</summary>
    /// <param name="target">Where to.</param>
    /// <param name="connect">Connects to services of the mesh.</param>
    /// <param name="counters">Counts what was taken and what was not.</param>
    /// <param name="logger">Log.</param>
    /// <param name="time">Clock.</param>
    protected BatchExporter(CollectorTarget target, MeshConnect connect, ExportCounters counters, ILogger logger, TimeProvider time)
    {
        (_target, _connect, _counters, _logger, _time) = (target, connect, counters, logger, time);
        _queue = Channel.CreateBounded<T>(new BoundedChannelOptions(Capacity) { SingleReader = true });
        _client = new HttpMessageInvoker(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            AutomaticDecompression = DecompressionMethods.None,
            ActivityHeadersPropagator = null,
            ConnectTimeout = target.Timeout,
            PooledConnectionLifetime = TimeSpan.FromMinutes(1),
            ConnectCallback = (context, cancellationToken) => ConnectAsync(context.DnsEndPoint, cancellationToken),
        });
        _running = Task.Run(RunAsync);
    }

    /// <summary>Takes one.</summary>
    protected void Queue(T item)
    {
        if (!_queue.Writer.TryWrite(item))
        {
            _counters.Dropped.Increment();
        }
    }

    /// <summary>The request that hands over a batch.</summary>
    protected abstract HttpRequestMessage Request(List<T> batch);

    /// <summary>Why an answer, whose body has been read, does not take a batch; null: it does.</summary>
    protected abstract string? ProblemOf(HttpResponseMessage response);

    /// <summary>Sends what is queued, for two seconds at most, and stops.</summary>
    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await Task.WhenAny(_running, Task.Delay(s_gather * 2, _time)).ConfigureAwait(false);
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
        _client.Dispose();
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        var batch = new List<T>(Batch);
        var reader = _queue.Reader;
        while (await reader.WaitToReadAsync().ConfigureAwait(false))
        {
            if (reader.Count < Batch && !reader.Completion.IsCompleted && !_stop.IsCancellationRequested)
            {
                // A moment for others to come; the end of the queue cuts it short by its own token.
                await Task.WhenAny(Task.Delay(s_gather, _time, _stop.Token), reader.Completion).ConfigureAwait(false);
            }

            while (batch.Count < Batch && reader.TryRead(out var item))
            {
                batch.Add(item);
            }

            await SendAsync(batch).ConfigureAwait(false);
            batch.Clear();
        }
    }

    private async Task SendAsync(List<T> batch)
    {
        try
        {
            using var limit = new CancellationTokenSource(_target.Timeout, _time);
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token, limit.Token);
            var problem = await PostAsync(batch, patience.Token).ConfigureAwait(false);
            if (problem is null)
            {
                _counters.Exported.Add(batch.Count);
                _failing = false;
                return;
            }

            Failed(batch.Count, problem);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException or InvalidOperationException)
        {
            Failed(batch.Count, e is OperationCanceledException ? $"no answer within {_target.Timeout}" : e.InnerException?.Message ?? e.Message);
        }
    }

    /// <summary>Sends a batch; null where it was taken, and else why not.</summary>
    private async Task<string?> PostAsync(List<T> batch, CancellationToken cancellationToken)
    {
        using var request = Request(batch);
        foreach (var (name, value) in _target.Headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        using var response = await _client.SendAsync(request, cancellationToken).ConfigureAwait(false);
        await response.Content.CopyToAsync(Stream.Null, cancellationToken).ConfigureAwait(false);
        return response.IsSuccessStatusCode ? ProblemOf(response) : $"it answered {(int)response.StatusCode}";
    }

    // One line when it begins to fail; the counter has the rest.
    private void Failed(int items, string reason)
    {
        _counters.Dropped.Add(items);
        if (!_failing)
        {
            _failing = true;
            ExportLog.Failed(_logger, _target.What, _target.Name, _target.Address, reason);
        }
    }

    private async ValueTask<Stream> ConnectAsync(DnsEndPoint host, CancellationToken cancellationToken)
    {
        if (await _connect(host.Host, host.Port, cancellationToken).ConfigureAwait(false) is { } inMesh)
        {
            return inMesh;
        }

        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(host, cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
