namespace Ambient.Hbone.Tls;

/// <summary>The stream under <see cref="System.Net.Security.SslStream"/>: it writes to and reads from <see cref="RecordBuffers"/>. Owns them.</summary>
internal sealed class RecordStream(RecordBuffers records) : Stream
{
    /// <summary>
    /// After the handshake: reads never wait and fail with <see cref="NothingThereException"/> instead, writes wait for a flush.
    /// </summary>
    public bool Established { get; set; }

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (records.HasRecord)
        {
            return new ValueTask<int>(buffer.IsEmpty ? 0 : records.Take(buffer.Span));
        }

        if (!Established)
        {
            return ReceiveAsync(buffer);
        }

        return buffer.IsEmpty ? default : ValueTask.FromException<int>(NothingThereException.Instance);
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        buffer.Span.CopyTo(records.Reserve(buffer.Length));
        records.Advance(buffer.Length);
        return Established ? default : records.FlushGatheredAsync();
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => records.FlushGatheredAsync().AsTask();

    public override void Flush() => throw new NotSupportedException();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            records.Dispose();
        }

        base.Dispose(disposing);
    }

    private async ValueTask<int> ReceiveAsync(Memory<byte> buffer)
    {
        await records.WaitForRecordAsync().ConfigureAwait(false);
        return buffer.IsEmpty ? 0 : records.Take(buffer.Span);
    }
}
