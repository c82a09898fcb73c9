namespace Ambient.Testing.Http2;

/// <summary>
/// A stream over another that never moves more at once than it is told: reads come in pieces and writes leave in
/// pieces, so every boundary of a protocol falls inside a frame sooner or later.
/// </summary>
public sealed class DribblingStream : Stream
{
    private readonly Stream _inner;
    private readonly Func<int> _next;

    private DribblingStream(Stream inner, Func<int> next)
    {
        _inner = inner;
        _next = next;
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

    /// <summary>One byte at a time.</summary>
    public static DribblingStream ByteByByte(Stream inner) => new(inner, () => 1);

    /// <summary>Pieces of 1 to <paramref name="longest"/> bytes, the same for the same seed.</summary>
    public static DribblingStream RandomPieces(Stream inner, int seed, int longest)
    {
        var random = new Random(seed);
        return new DribblingStream(inner, () =>
        {
            lock (random)
            {
                return random.Next(1, longest + 1);
            }
        });
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        _inner.ReadAsync(buffer.IsEmpty ? buffer : buffer[..Math.Min(buffer.Length, _next())], cancellationToken);

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!buffer.IsEmpty)
        {
            var piece = buffer[..Math.Min(buffer.Length, _next())];
            await _inner.WriteAsync(piece, cancellationToken);
            await _inner.FlushAsync(cancellationToken);
            buffer = buffer[piece.Length..];
        }
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => _inner.FlushAsync(cancellationToken);

    public override int Read(byte[] buffer, int offset, int count) => _inner.Read(buffer, offset, Math.Min(count, _next()));

    public override void Write(byte[] buffer, int offset, int count) => WriteAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

    public override void Flush() => _inner.Flush();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _inner.Dispose();
        }

        base.Dispose(disposing);
    }
}
