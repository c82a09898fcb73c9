using System.Buffers;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Http2;

/// <summary>A pooled buffer that grows: frames are written into it one after the other. Empty, it holds nothing.</summary>
internal sealed class OutputBuffer : IBufferWriter<byte>
{
    private byte[]? _buffer;

    public int Length { get; private set; }

    public byte[] Buffer => _buffer ?? [];

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _buffer.AsSpan(Length);
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _buffer.AsMemory(Length);
    }

    public void Advance(int count) => Length += count;

    public void Release()
    {
        if (_buffer is { } buffer)
        {
            _buffer = null;
            IoBuffers.Return(buffer);
        }

        Length = 0;
    }

    private void Reserve(int size)
    {
        if (_buffer is null)
        {
            _buffer = IoBuffers.Rent(size);
        }
        else if (_buffer.Length - Length < size)
        {
            var larger = IoBuffers.Rent(Math.Max(Length + size, _buffer.Length * 2));
            _buffer.AsSpan(0, Length).CopyTo(larger);
            IoBuffers.Return(_buffer);
            _buffer = larger;
        }
    }
}
