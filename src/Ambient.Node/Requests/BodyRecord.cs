namespace Ambient.Node.Requests;

/// <summary>
/// What has been sent of a request's body, kept so that it can be sent again: to another endpoint, or as a copy. Bounded; a body that is longer is not
/// kept, and the request is not sent again.
/// </summary>
internal sealed class BodyRecord
{
    /// <summary>Most bytes that are kept of one body.</summary>
    public const int Most = 64 * 1024;

    // What is left with a connection's exchange between its requests.
    private const int MostKept = 4 * 1024;

    private byte[] _buffer = [];
    private int _length;

    /// <summary>The bytes so far.</summary>
    public ReadOnlyMemory<byte> Bytes => _buffer.AsMemory(0, _length);

    /// <summary>Whether these are all there are.</summary>
    public bool IsWhole { get; set; }

    /// <summary>Whether there were more than are kept.</summary>
    public bool IsLost { get; private set; }

    /// <summary>Forgets what it has, for the next request.</summary>
    public void Clear()
    {
        (IsWhole, IsLost, _length) = (false, false, 0);
        _buffer = _buffer.Length > MostKept ? [] : _buffer;
    }

    /// <summary>Takes up what is about to be sent.</summary>
    public void Append(ReadOnlyMemory<byte> piece)
    {
        if (IsLost || _length + piece.Length > Most)
        {
            (IsLost, _buffer, _length) = (true, [], 0);
            return;
        }

        if (_buffer.Length < _length + piece.Length)
        {
            Array.Resize(ref _buffer, Math.Min(Most, Math.Max(_length + piece.Length, _buffer.Length * 2)));
        }

        piece.CopyTo(_buffer.AsMemory(_length));
        _length += piece.Length;
    }
}
