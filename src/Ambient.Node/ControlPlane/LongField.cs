namespace Ambient.Node.ControlPlane;

/// <summary>
/// The field of a message that is longer than a piece of <see cref="MessagePieces"/>, in a buffer that is used again for as long as its owner lives. One that grows with each
/// message, or comes from a pool that has one for each thread, would be garbage of the most expensive kind. Between messages it has no memory. Used by one thread at a time.
/// </summary>
/// <param name="messageBegins">Told the length of each message before it comes.</param>
internal sealed class LongField(Action<int>? messageBegins = null)
{
    private byte[] _buffer = [];
    private int _length;

    /// <summary>The field, with its tag.</summary>
    public ReadOnlySpan<byte> Bytes => _buffer.AsSpan(0, _length);

    /// <summary>A message follows.</summary>
    /// <param name="length">Its bytes.</param>
    public void Begin(int length) => messageBegins?.Invoke(length);

    /// <summary>Room for another one.</summary>
    /// <param name="length">How long it is.</param>
    public Memory<byte> Take(int length)
    {
        if (length > _buffer.Length)
        {
            // A little more than is needed now: what is told grows a little at a time.
            _buffer = [];
            _buffer = GC.AllocateUninitializedArray<byte>(length + (length / 8), pinned: true);
        }

        _length = length;
        return _buffer.AsMemory(0, length);
    }

    /// <summary>The message is over: the field is gone, and its memory given back.</summary>
    public void Release()
    {
        if (_length > 0)
        {
            _length = 0;
            ArrayPages.Release(_buffer);
        }
    }
}
