using System.IO.Pipelines;

namespace Ambient.Testing.Http2;

/// <summary>
/// One end of an in-memory connection. Each direction ends on its own: disposing an end finishes what it sends (the other
/// reads an end), and it may still read. <see cref="Break"/> is a connection reset.
/// </summary>
public sealed class MemoryDuplexStream : Stream
{
    private readonly Pipe _incoming;
    private readonly Pipe _outgoing;
    private readonly Stream _reader;
    private readonly Stream _writer;

    private MemoryDuplexStream(Pipe incoming, Pipe outgoing)
    {
        _incoming = incoming;
        _outgoing = outgoing;
        _reader = incoming.Reader.AsStream(leaveOpen: true);
        _writer = outgoing.Writer.AsStream(leaveOpen: true);
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Makes a connection.</summary>
    /// <param name="capacity">Bytes that each direction holds before a writer waits; 0: no bound.</param>
    public static (MemoryDuplexStream Left, MemoryDuplexStream Right) Create(long capacity = 0)
    {
        var options = new PipeOptions(pauseWriterThreshold: capacity, resumeWriterThreshold: capacity / 2, useSynchronizationContext: false);
        var (toRight, toLeft) = (new Pipe(options), new Pipe(options));
        return (new MemoryDuplexStream(toLeft, toRight), new MemoryDuplexStream(toRight, toLeft));
    }

    /// <summary>Resets the connection: what either side reads or writes next fails.</summary>
    public void Break()
    {
        var reset = new IOException("connection reset by peer");
        _incoming.Writer.Complete(reset);
        _outgoing.Writer.Complete(reset);
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => _reader.ReadAsync(buffer, cancellationToken);

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            await _writer.WriteAsync(buffer, cancellationToken);
        }
        catch (InvalidOperationException e)
        {
            throw new IOException("broken pipe", e);
        }
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override int Read(byte[] buffer, int offset, int count) => _reader.Read(buffer, offset, count);

    public override void Write(byte[] buffer, int offset, int count) => WriteAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        _outgoing.Writer.Complete();
        base.Dispose(disposing);
    }
}
