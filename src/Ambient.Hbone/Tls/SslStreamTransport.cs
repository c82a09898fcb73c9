using System.Net.Security;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Tls;

/// <summary>Records by <see cref="SslStream"/>, which copies each of them.</summary>
internal sealed class SslStreamTransport : TlsTransport
{
    // Records without data in a row: four tickets and a key update are honest, a stream of them is not.
    private const int MaxEmptyRecords = 64;

    // Records of one read: each costs a decryption whatever is in it, and the read loop counts reads.
    private const int MaxRecords = 16;
    private readonly IByteChannel _channel;
    private readonly RecordBuffers _records;
    private readonly SslStream _tls;
    private int _emptyRecords;
    private bool _drained;
    private bool _left;
    private bool _ended;

    public SslStreamTransport(IByteChannel channel, RecordBuffers records, RecordStream stream, SslStream tls)
    {
        _channel = channel;
        _records = records;
        _tls = tls;
        _records.Established = true;
        stream.Established = true;
    }

    public override EventLoop? Loop => _channel.Loop;

    public override ValueTask WaitToReadAsync()
    {
        _drained = false;
        return _ended || _left || _records.HasRecord ? default : _records.WaitToReceiveAsync();
    }

    public override int TryRead(Memory<byte> buffer)
    {
        var total = 0;
        for (var records = 0; buffer.Length - total >= MinReadSpace && !_ended && records < MaxRecords;)
        {
            if (!_records.HasRecord)
            {
                if (_drained || !_records.TryReceive(out _drained))
                {
                    break;
                }

                continue;
            }

            total += ReadRecord(buffer[total..]);
            records++;
        }

        // As in RecordTransport: what a read leaves behind is not to be waited for.
        _left = !_drained;
        return total > 0 ? total : _ended ? -1 : 0;
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> bytes) => _tls.WriteAsync(bytes);

    public override ValueTask FlushAsync() => _records.FlushGatheredAsync();

    public override async ValueTask CloseWriteAsync()
    {
        await _tls.ShutdownAsync().ConfigureAwait(false);
        await _records.FlushGatheredAsync().ConfigureAwait(false);
        _channel.ShutdownSend();
    }

    public override void Abort() => _channel.ShutdownBoth();

    public override async ValueTask DisposeAsync()
    {
        await _tls.DisposeAsync().ConfigureAwait(false);
        _channel.Close();
    }

    private int ReadRecord(Memory<byte> buffer)
    {
        try
        {
            // Always completes at once: a whole record is there, and what it lacks fails with NothingThereException.
            var read = _tls.ReadAsync(buffer);
            var count = read.IsCompleted ? read.GetAwaiter().GetResult() : throw new InvalidOperationException("a TLS read waited with a whole record there");
            _ended = count == 0;
            _emptyRecords = 0;
            return count;
        }
        catch (NothingThereException)
        {
            return ++_emptyRecords <= MaxEmptyRecords ? 0 : throw new IOException($"{MaxEmptyRecords} TLS records without data in a row");
        }
    }
}
