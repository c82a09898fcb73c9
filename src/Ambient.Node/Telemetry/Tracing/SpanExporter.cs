using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Threading.Channels;
using Ambient.Mesh;
using Ambient.Node.Protos.Trace;
using Ambient.Node.Telemetry.Metrics;
using Google.Protobuf;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Telemetry.Tracing;

/// <summary>
/// Sends spans to one collector by OTLP (https://opentelemetry.io/docs/specs/otlp/), over gRPC or HTTP, in batches, from a queue of its own: a request
/// never waits for it. What does not fit, and what could not be sent, is dropped and counted.
/// </summary>
internal sealed partial class SpanExporter : IAsyncDisposable
{
    /// <summary>Spans that may wait.</summary>
    public const int Capacity = 4096;

    private const int Batch = 512;
    private static readonly TimeSpan s_gather = TimeSpan.FromSeconds(1);
    private static readonly MediaTypeHeaderValue s_grpc = new("application/grpc");
    private static readonly MediaTypeHeaderValue s_protobuf = new("application/x-protobuf");

    private readonly Channel<FinishedSpan> _queue;
    private readonly TelemetryProvider _provider;
    private readonly MeshConnect _connect;
    private readonly Counter _exported;
    private readonly Counter _dropped;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly HttpMessageInvoker _client;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;
    private bool _failing;

    /// <summary>Creates and starts an exporter.</summary>
    /// <param name="provider">Where to, and how.</param>
    /// <param name="connect">Connects to services of the mesh.</param>
    /// <param name="exported">Counts spans that were taken.</param>
    /// <param name="dropped">Counts spans that were not.</param>
    /// <param name="logger">Log.</param>
    /// <param name="time">Clock.</param>
    public SpanExporter(TelemetryProvider provider, MeshConnect connect, Counter exported, Counter dropped, ILogger logger, TimeProvider time)
    {
        (_provider, _connect, _exported, _dropped, _logger, _time) = (provider, connect, exported, dropped, logger, time);
        _queue = Channel.CreateBounded<FinishedSpan>(new BoundedChannelOptions(Capacity) { SingleReader = true });
        _client = new HttpMessageInvoker(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            AutomaticDecompression = DecompressionMethods.None,
            ActivityHeadersPropagator = null,
            ConnectTimeout = provider.Timeout,
            PooledConnectionLifetime = TimeSpan.FromMinutes(1),
            ConnectCallback = (context, cancellationToken) => ConnectAsync(context.DnsEndPoint, cancellationToken),
        });
        _running = Task.Run(RunAsync);
    }

    /// <summary>The provider.</summary>
    public TelemetryProvider Provider => _provider;

    /// <summary>Takes a span that has ended.</summary>
    /// <param name="span">The span.</param>
    /// <param name="service">Who made it, as <c>service.name</c>.</param>
    public void Take(Activity span, string service)
    {
        if (!_queue.Writer.TryWrite(new FinishedSpan(span, service)))
        {
            _dropped.Increment();
        }
    }

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

    /// <summary>The message for some spans.</summary>
    internal static ExportTraceServiceRequest Message(IEnumerable<FinishedSpan> spans)
    {
        var request = new ExportTraceServiceRequest();
        foreach (var service in spans.GroupBy(span => span.Service, StringComparer.Ordinal))
        {
            var resource = new Resource();
            resource.Attributes.Add(Attribute("service.name", service.Key));
            var scope = new ScopeSpans { Scope = new Scope { Name = SpanExporters.SourceName } };
            scope.Spans.AddRange(service.Select(span => Convert(span.Activity)));
            request.ResourceSpans.Add(new ResourceSpans { Resource = resource, ScopeSpans = { scope } });
        }

        return request;
    }

    private static Span Convert(Activity activity)
    {
        var start = Nanoseconds(activity.StartTimeUtc);
        var span = new Span
        {
            TraceId = Bytes(activity.TraceId),
            SpanId = Bytes(activity.SpanId),
            TraceState = activity.TraceStateString ?? "",
            ParentSpanId = activity.ParentSpanId == default ? ByteString.Empty : Bytes(activity.ParentSpanId),
            Name = activity.DisplayName,
            Kind = activity.Kind == ActivityKind.Client ? SpanKind.Client : SpanKind.Server,
            StartTimeUnixNano = start,
            EndTimeUnixNano = start + (ulong)(activity.Duration.Ticks * TimeSpan.NanosecondsPerTick),
            Flags = (uint)activity.ActivityTraceFlags,
        };
        foreach (var (key, value) in activity.EnumerateTagObjects())
        {
            if (value is not null)
            {
                span.Attributes.Add(Attribute(key, value as string ?? System.Convert.ToString(value, CultureInfo.InvariantCulture) ?? ""));
            }
        }

        if (activity.Status == ActivityStatusCode.Error)
        {
            span.Status = new Status { Code = 2, Message = activity.StatusDescription ?? "" };
        }

        return span;
    }

    private static KeyValue Attribute(string key, string value) => new() { Key = key, Value = new AnyValue { StringValue = value } };

    private static ulong Nanoseconds(DateTime time) => (ulong)((time - DateTime.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick);

    private static ByteString Bytes(ActivityTraceId id)
    {
        var bytes = new byte[16];
        id.CopyTo(bytes);
        return UnsafeByteOperations.UnsafeWrap(bytes);
    }

    private static ByteString Bytes(ActivitySpanId id)
    {
        var bytes = new byte[8];
        id.CopyTo(bytes);
        return UnsafeByteOperations.UnsafeWrap(bytes);
    }

    private async Task RunAsync()
    {
        var batch = new List<FinishedSpan>(Batch);
        var reader = _queue.Reader;
        while (await reader.WaitToReadAsync().ConfigureAwait(false))
        {
            if (reader.Count < Batch && !reader.Completion.IsCompleted && !_stop.IsCancellationRequested)
            {
                // A moment for others to come; the end of the queue cuts it short by its own token.
                await Task.WhenAny(Task.Delay(s_gather, _time, _stop.Token), reader.Completion).ConfigureAwait(false);
            }

            while (batch.Count < Batch && reader.TryRead(out var span))
            {
                batch.Add(span);
            }

            await SendAsync(batch).ConfigureAwait(false);
            batch.Clear();
        }
    }

    private async Task SendAsync(List<FinishedSpan> batch)
    {
        try
        {
            using var limit = new CancellationTokenSource(_provider.Timeout, _time);
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token, limit.Token);
            var problem = await PostAsync(Message(batch), patience.Token).ConfigureAwait(false);
            if (problem is null)
            {
                _exported.Add(batch.Count);
                _failing = false;
                return;
            }

            Failed(batch.Count, problem);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException or InvalidOperationException)
        {
            Failed(batch.Count, e is OperationCanceledException ? $"no answer within {_provider.Timeout}" : e.InnerException?.Message ?? e.Message);
        }
    }

    /// <summary>Sends a message; null where it was taken, and else why not.</summary>
    private async Task<string?> PostAsync(ExportTraceServiceRequest message, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, _provider.IsGrpc ? new Uri(_provider.Collector!, "/opentelemetry.proto.collector.trace.v1.TraceService/Export") : _provider.Collector);
        var size = message.CalculateSize();
        var prefix = _provider.IsGrpc ? 5 : 0;
        var bytes = new byte[prefix + size];
        message.WriteTo(bytes.AsSpan(prefix));
        if (_provider.IsGrpc)
        {
            BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(1), size);
            (request.Version, request.VersionPolicy) = (HttpVersion.Version20, HttpVersionPolicy.RequestVersionExact);
            request.Headers.TE.ParseAdd("trailers");
        }

        request.Content = new ByteArrayContent(bytes);
        request.Content.Headers.ContentType = _provider.IsGrpc ? s_grpc : s_protobuf;
        foreach (var (name, value) in _provider.Headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        using var response = await _client.SendAsync(request, cancellationToken).ConfigureAwait(false);
        await response.Content.CopyToAsync(Stream.Null, cancellationToken).ConfigureAwait(false);
        if (!response.IsSuccessStatusCode)
        {
            return $"it answered {(int)response.StatusCode}";
        }

        if (!_provider.IsGrpc)
        {
            return null;
        }

        var status = response.TrailingHeaders.TryGetValues("grpc-status", out var trailer) || response.Headers.TryGetValues("grpc-status", out trailer) ? trailer.First() : null;
        return status == "0" ? null : $"it answered with the gRPC status {status ?? "missing"}";
    }

    // One line when it begins to fail; the counter has the rest.
    private void Failed(int spans, string reason)
    {
        _dropped.Add(spans);
        if (!_failing)
        {
            _failing = true;
            LogFailed(_logger, _provider.Name, _provider.Collector!, reason);
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

    [LoggerMessage(1020, LogLevel.Warning, "spans are dropped: provider {Provider} at {Collector} does not take them: {Reason}")]
    private static partial void LogFailed(ILogger logger, string provider, Uri collector, string reason);
}

/// <summary>A span that has ended.</summary>
/// <param name="Activity">The span.</param>
/// <param name="Service">Who made it.</param>
internal readonly record struct FinishedSpan(Activity Activity, string Service);
