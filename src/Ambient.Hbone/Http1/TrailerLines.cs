namespace Ambient.Hbone.Http1;

/// <summary>Lines of a trailer section. As trailers are few and small, a line that comes in pieces is put together here, and not by the caller.</summary>
/// <param name="maxSize">Bytes of all lines.</param>
internal struct TrailerLines(int maxSize)
{
    private HeadLines _lines = new(maxSize, "the trailer section");
    private byte[]? _partial;
    private int _length;

    /// <summary>Takes bytes up to the end of the next line.</summary>
    /// <param name="bytes">What comes next.</param>
    /// <param name="consumed">How many were taken: all, when no line ends.</param>
    /// <param name="line">The line without its end, valid until the next call.</param>
    /// <exception cref="Http1Exception">There are too many bytes, or an LF without a CR.</exception>
    public bool TryTake(ReadOnlySpan<byte> bytes, out int consumed, out ReadOnlySpan<byte> line)
    {
        consumed = 0;
        if (_length == 0 && _lines.TryTake(bytes, ref consumed, out line))
        {
            return true;
        }

        var end = bytes.IndexOf((byte)'\n');
        consumed = end < 0 ? bytes.Length : end + 1;
        if (_length + consumed > maxSize)
        {
            throw new Http1Exception(431, $"the trailer section is larger than {maxSize} bytes");
        }

        Append(bytes[..consumed]);
        var whole = 0;
        if (!_lines.TryTake(_partial.AsSpan(0, _length), ref whole, out line))
        {
            return false;
        }

        _length = 0;
        return true;
    }

    /// <summary>Begins anew.</summary>
    public void Reset()
    {
        _lines.Reset();
        (_partial, _length) = (null, 0);
    }

    private void Append(ReadOnlySpan<byte> bytes)
    {
        if (_partial is null || _partial.Length < _length + bytes.Length)
        {
            Array.Resize(ref _partial, Math.Max(256, Math.Max(_length + bytes.Length, 2 * _length)));
        }

        bytes.CopyTo(_partial.AsSpan(_length));
        _length += bytes.Length;
    }
}
