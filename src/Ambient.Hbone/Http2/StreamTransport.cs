using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Http2;

/// <summary>HTTP/2 over any stream: in-memory pipes, or a stream that carries an inner connection.</summary>
internal sealed class StreamTransport(Stream stream) : Http2Transport
{
    private readonly CancellationTokenSource _aborted = new();
    private byte[]? _buffer;
    private int _start;
    private int _end;
    private bool _ended;

    public override async ValueTask WaitToReadAsync()
    {
        if (_start < _end || _ended)
        {
            return;
        }

        _buffer ??= IoBuffers.Rent(MinReadSpace);
        _start = 0;
        try
        {
            _end = await stream.ReadAsync(_buffer, _aborted.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_aborted.IsCancellationRequested)
        {
            _end = 0;
        }

        _ended = _end == 0;
    }

    public override int TryRead(Memory<byte> buffer)
    {
        if (_start == _end)
        {
            return _ended ? -1 : 0;
        }

        var count = Math.Min(_end - _start, buffer.Length);
        _buffer.AsSpan(_start, count).CopyTo(buffer.Span);
        _start += count;
        return count;
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> bytes) => stream.WriteAsync(bytes, _aborted.Token);

    public override ValueTask FlushAsync() => new(stream.FlushAsync(_aborted.Token));

    public override ValueTask CloseWriteAsync() => stream.DisposeAsync();

    public override void Abort() => _aborted.Cancel();

    public override async ValueTask DisposeAsync()
    {
        if (_buffer is { } buffer)
        {
            _buffer = null;
            IoBuffers.Return(buffer);
        }

        // The source is not disposed: Abort may still come, and without a timer there is nothing to release.
        await stream.DisposeAsync().ConfigureAwait(false);
    }
}
