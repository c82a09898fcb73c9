using System.Collections.Concurrent;
using System.Threading.Channels;
using Ambient.Node.Protos.Discovery;
using Grpc.Core;

namespace Ambient.Testing.ControlPlane;

/// <summary>What a test's xDS server says, and what it was told.</summary>
internal sealed class DiscoveryScript
{
    private readonly ConcurrentQueue<DeltaDiscoveryRequest> _requests = new();
    private readonly Lock _lock = new();
    private readonly List<DiscoveryStream> _streams = [];
    private int _opened;

    /// <summary>Every request of every stream, in order.</summary>
    public DeltaDiscoveryRequest[] Requests => [.. _requests];

    /// <summary>Headers of the newest stream.</summary>
    public Metadata? Headers { get; private set; }

    /// <summary>Streams that were opened so far.</summary>
    public int Opened => Volatile.Read(ref _opened);

    /// <summary>What is sent when a type is first asked for on a stream; null: nothing.</summary>
    public Func<DeltaDiscoveryRequest, DeltaDiscoveryResponse?> Initial { get; set; } = static request => Empty(request.TypeUrl);

    /// <summary>What further requests, which are no answers, get; null: nothing.</summary>
    public Func<DeltaDiscoveryRequest, DeltaDiscoveryResponse?> Demanded { get; set; } = static _ => null;

    /// <summary>
    /// Instead of <see cref="Initial"/> and <see cref="Demanded"/>: makes what answers the requests of one stream that are no answers themselves;
    /// it is given what pushes on the stream.
    /// </summary>
    public Func<Action<DeltaDiscoveryResponse>, Func<DeltaDiscoveryRequest, DeltaDiscoveryResponse?>>? Session { get; set; }

    /// <summary>Told of every request as it comes.</summary>
    public Action<DeltaDiscoveryRequest>? Received { get; set; }

    /// <summary>Told of every response when its last byte has been written.</summary>
    public Action<DeltaDiscoveryResponse>? Written { get; set; }

    /// <summary>Called before a stream is served; may throw an <see cref="RpcException"/>.</summary>
    public Action? Opening { get; set; }

    /// <summary>A response without resources.</summary>
    public static DeltaDiscoveryResponse Empty(string type) => new() { TypeUrl = type, Nonce = Guid.NewGuid().ToString() };

    /// <summary>Sends a response on every open stream.</summary>
    public void Push(DeltaDiscoveryResponse response)
    {
        lock (_lock)
        {
            _streams.ForEach(stream => stream.Send(response));
        }
    }

    /// <summary>Ends every open stream, in order or with a status.</summary>
    public void EndStreams(StatusCode status = StatusCode.OK)
    {
        lock (_lock)
        {
            _streams.ForEach(stream => stream.End(status));
            _streams.Clear();
        }
    }

    /// <summary>Waits until a request was received that a condition holds for.</summary>
    public async Task<DeltaDiscoveryRequest> WaitAsync(Func<DeltaDiscoveryRequest, bool> condition)
    {
        for (var tries = 0; tries < 1500; tries++)
        {
            if (_requests.FirstOrDefault(condition) is { } found)
            {
                return found;
            }

            await Task.Delay(20);
        }

        throw new TimeoutException($"no such request among {_requests.Count}:\n{string.Join('\n', _requests)}");
    }

    internal async Task ServeAsync(IAsyncStreamReader<DeltaDiscoveryRequest> requests, IServerStreamWriter<DeltaDiscoveryResponse> responses, ServerCallContext context)
    {
        Interlocked.Increment(ref _opened);
        Headers = context.RequestHeaders;
        Opening?.Invoke();
        var stream = new DiscoveryStream();
        lock (_lock)
        {
            _streams.Add(stream);
        }

        var reading = ReadAsync(requests, stream, context.CancellationToken);
        await stream.WriteAllAsync(responses, Written, context.CancellationToken);
        _ = reading;
    }

    private async Task ReadAsync(IAsyncStreamReader<DeltaDiscoveryRequest> requests, DiscoveryStream stream, CancellationToken cancellationToken)
    {
        var seen = new HashSet<string>();
        var session = Session?.Invoke(stream.Send);
        try
        {
            while (await requests.MoveNext(cancellationToken))
            {
                var request = requests.Current;
                _requests.Enqueue(request);
                Received?.Invoke(request);
                var first = seen.Add(request.TypeUrl);
                var answer = !first && request.ResponseNonce.Length > 0 ? null
                    : session is not null ? session(request)
                    : first ? Initial(request)
                    : Demanded(request);
                if (answer is not null)
                {
                    stream.Send(answer);
                }
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or InvalidOperationException)
        {
        }

        stream.End(StatusCode.OK);
    }

    private sealed class DiscoveryStream
    {
        private readonly Channel<DeltaDiscoveryResponse> _queue = Channel.CreateUnbounded<DeltaDiscoveryResponse>();
        private StatusCode _status;

        public void Send(DeltaDiscoveryResponse response) => _queue.Writer.TryWrite(response);

        public void End(StatusCode status)
        {
            _status = status;
            _queue.Writer.TryComplete();
        }

        public async Task WriteAllAsync(IServerStreamWriter<DeltaDiscoveryResponse> responses, Action<DeltaDiscoveryResponse>? written, CancellationToken cancellationToken)
        {
            await foreach (var response in _queue.Reader.ReadAllAsync(cancellationToken))
            {
                await responses.WriteAsync(response, cancellationToken);
                written?.Invoke(response);
            }

            if (_status != StatusCode.OK)
            {
                throw new RpcException(new Grpc.Core.Status(_status, "as the test wanted"));
            }
        }
    }
}

/// <summary>The generated service, handed to the script.</summary>
internal sealed class DiscoveryService(DiscoveryScript script) : AggregatedDiscoveryService.AggregatedDiscoveryServiceBase
{
    public override Task DeltaAggregatedResources(
        IAsyncStreamReader<DeltaDiscoveryRequest> requestStream, IServerStreamWriter<DeltaDiscoveryResponse> responseStream, ServerCallContext context) =>
        script.ServeAsync(requestStream, responseStream, context);
}
