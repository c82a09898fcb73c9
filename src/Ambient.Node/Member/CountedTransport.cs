using System.Buffers;
using System.IO.Pipelines;
using Ambient.Hbone.Relaying;

namespace Ambient.Node.Member;

/// <summary>Counts what goes through a connection of Kestrel's, for its line in the access log.</summary>
internal sealed class CountedTransport(IDuplexPipe inner, RelayCounters counters) : IDuplexPipe
{
    /// <inheritdoc/>
    public PipeReader Input { get; } = new CountedReader(inner.Input, counters);

    /// <inheritdoc/>
    public PipeWriter Output { get; } = new CountedWriter(inner.Output, counters);

    private sealed class CountedReader(PipeReader reader, RelayCounters counters) : PipeReader
    {
        private ReadOnlySequence<byte> _last;

        public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
        {
            counters.AddClientToServer(_last.Slice(0, consumed).Length);
            _last = default;
            reader.AdvanceTo(consumed, examined);
        }

        public override void CancelPendingRead() => reader.CancelPendingRead();

        public override void Complete(Exception? exception = null) => reader.Complete(exception);

        public override async ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
        {
            var result = await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            _last = result.Buffer;
            return result;
        }

        public override bool TryRead(out ReadResult result)
        {
            var read = reader.TryRead(out result);
            _last = read ? result.Buffer : default;
            return read;
        }
    }

    private sealed class CountedWriter(PipeWriter writer, RelayCounters counters) : PipeWriter
    {
        public override bool CanGetUnflushedBytes => writer.CanGetUnflushedBytes;

        public override long UnflushedBytes => writer.UnflushedBytes;

        public override void Advance(int bytes)
        {
            counters.AddServerToClient(bytes);
            writer.Advance(bytes);
        }

        public override void CancelPendingFlush() => writer.CancelPendingFlush();

        public override void Complete(Exception? exception = null) => writer.Complete(exception);

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => writer.FlushAsync(cancellationToken);

        public override Memory<byte> GetMemory(int sizeHint = 0) => writer.GetMemory(sizeHint);

        public override Span<byte> GetSpan(int sizeHint = 0) => writer.GetSpan(sizeHint);

        public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
        {
            counters.AddServerToClient(source.Length);
            return writer.WriteAsync(source, cancellationToken);
        }
    }
}
