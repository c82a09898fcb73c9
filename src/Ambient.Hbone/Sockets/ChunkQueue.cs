namespace Ambient.Hbone.Sockets;

/// <summary>Bytes that wait for a slow reader, in pooled buffers. Not thread-safe. Empty, it holds no buffer.</summary>
internal sealed class ChunkQueue
{
    private Chunk[] _chunks = new Chunk[2];
    private int _first;
    private int _count;

    /// <summary>Bytes in the queue.</summary>
    public int Length { get; private set; }

    /// <summary>The oldest bytes; they stay valid until they are consumed. Empty when the queue is.</summary>
    public ReadOnlyMemory<byte> Head
    {
        get
        {
            ref var chunk = ref _chunks[_first];
            return _count == 0 ? default : chunk.Buffer.AsMemory(chunk.Start, chunk.End - chunk.Start);
        }
    }

    public void Append(ReadOnlySpan<byte> bytes)
    {
        Length += bytes.Length;
        while (!bytes.IsEmpty)
        {
            ref var last = ref Last(bytes.Length);
            var count = Math.Min(bytes.Length, last.Buffer!.Length - last.End);
            bytes[..count].CopyTo(last.Buffer.AsSpan(last.End));
            last.End += count;
            bytes = bytes[count..];
        }
    }

    /// <summary>Drops the oldest bytes: no more than <see cref="Head"/> has.</summary>
    public void Consume(int count)
    {
        ref var chunk = ref _chunks[_first];
        Length -= count;
        chunk.Start += count;
        if (chunk.Start == chunk.End)
        {
            IoBuffers.Return(chunk.Buffer!);
            chunk = default;
            _first = (_first + 1) % _chunks.Length;
            _count--;
        }
    }

    /// <summary>Drops everything.</summary>
    public void Clear()
    {
        while (_count > 0)
        {
            Consume(Head.Length);
        }
    }

    private ref Chunk Last(int wanted)
    {
        if (_count > 0)
        {
            ref var last = ref _chunks[(_first + _count - 1) % _chunks.Length];
            if (last.End < last.Buffer!.Length)
            {
                return ref last;
            }
        }

        if (_count == _chunks.Length)
        {
            var larger = new Chunk[_count * 2];
            for (var i = 0; i < _count; i++)
            {
                larger[i] = _chunks[(_first + i) % _count];
            }

            _chunks = larger;
            _first = 0;
        }

        ref var added = ref _chunks[(_first + _count++) % _chunks.Length];
        added.Buffer = IoBuffers.Rent(_count == 1 && wanted <= IoBuffers.Medium ? wanted : IoBuffers.Large);
        added.Start = added.End = 0;
        return ref added;
    }

    private struct Chunk
    {
        public byte[]? Buffer;
        public int Start;
        public int End;
    }
}
