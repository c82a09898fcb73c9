using System.Collections.Immutable;
using Ambient.Hbone.Messages;
using Ambient.Http;
using Ambient.Node.Requests;
using BenchmarkDotNet.Attributes;

namespace Ambient.Benchmarks.Micro;

/// <summary>
/// What a stage of an embedder's own adds to a request: what is checked of the head that it leaves included, the work of the filter itself little or none.
/// </summary>
[MemoryDiagnoser]
public class RequestFilterBenchmarks
{
    private readonly RequestExchange _exchange;
    private readonly ImmutableArray<MeshRequestFilter> _idle = [new IdleFilter()];
    private readonly ImmutableArray<MeshRequestFilter> _editing = [new EditingFilter()];

    public RequestFilterBenchmarks()
    {
        // Filters touch nothing of what requests share.
        _exchange = new RequestExchange(new RequestServices(null!, null!, null!, null!, TimeProvider.System) { Tokens = null! }, new StillExchange());
        var head = _exchange.Head;
        (head.Method, head.Scheme, head.Authority, head.Target) = ("GET", "http", "web.app.svc.cluster.local", "/api/orders?page=2");
        head.Fields.Add("accept", "application/json");
        head.Fields.Add("user-agent", "curl/8.5.0");
        head.Fields.Add("x-request-id", "5f1c0c1e-6f43-4a7e-8f0e-3c1b6a0d9a11");
        head.Fields.Add("x-tenant", "blue");
        if (!Idle() || !Editing() || EditingFilter.Asked == 0)
        {
            throw new InvalidOperationException("the filters do not run as the benchmark assumes");
        }
    }

    /// <summary>A filter that does nothing.</summary>
    [Benchmark]
    public bool Idle() => Done(RequestFilters.RunOnRequestAsync(_exchange, _idle));

    /// <summary>A filter that reads a field, sets one and removes it again.</summary>
    [Benchmark]
    public bool Editing() => Done(RequestFilters.RunOnRequestAsync(_exchange, _editing));

    // Neither filter waits for anything.
    private static bool Done(ValueTask<bool> run) => run.IsCompletedSuccessfully ? run.Result : throw new InvalidOperationException("a filter waited");

    private sealed class IdleFilter : MeshRequestFilter;

    private sealed class EditingFilter : MeshRequestFilter
    {
        public static int Asked { get; private set; }

        public override ValueTask OnRequestAsync(MeshRequestContext context)
        {
            Asked++;
            context.Request.Fields.Set("x-checked", context.Request.Get("x-tenant")!);
            context.Request.Fields.Remove("x-checked");
            return default;
        }
    }

    /// <summary>A request that nothing is read of and nothing answered to.</summary>
    private sealed class StillExchange : ServerExchange
    {
        public override HttpFields Trailers { get; } = new();

        public override long BytesReceived => 0;

        public override long BytesSent => 0;

        public override MessageFault Fault => MessageFault.None;

        public override bool HasStarted => false;

        public override bool IsRequestWhole => true;

        internal override long Moved => 0;

        internal override bool CanBeAnswered => false;

        public override bool TryRead(out ReadOnlyMemory<byte> piece) => throw new NotSupportedException();

        public override ValueTask<ReadOnlyMemory<byte>> ReadAsync(CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public override ValueTask FlushAsync(CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public override ValueTask EndAsync(HttpFields? trailers = null, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public override void Abort(MessageFault fault) => throw new NotSupportedException();

        public override ValueTask SendInterimAsync(ResponseHead head, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public override ValueTask SendHeadAsync(ResponseHead head, bool end, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        internal override void StopWaiting(string reason) => throw new NotSupportedException();

        internal override void WakeReader() => throw new NotSupportedException();

        internal override void BreakStalled(string reason) => throw new NotSupportedException();
    }
}
