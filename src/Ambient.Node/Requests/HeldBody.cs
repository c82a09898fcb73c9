using Ambient.Hbone.Messages;
using Ambient.Node.Requests.ExternalAuthorization;

namespace Ambient.Node.Requests;

/// <summary>What a filter has read of a body, or put in its place, and what is therefore sent first.</summary>
internal sealed class HeldBody
{
    private byte[] _buffer = [];
    private int _length;
    private BodyRoom? _room;

    /// <summary>The bytes.</summary>
    public ReadOnlyMemory<byte> Bytes { get; private set; }

    /// <summary>Whether that is all there is to send.</summary>
    public bool IsWhole { get; private set; }

    /// <summary>Whether there was no room for it: something of it is lost.</summary>
    public bool IsRefused { get; private set; }

    /// <summary>Reads on to the end, or until there is more than is to be held. False: there is more, or no room for it.</summary>
    /// <param name="source">Where it comes from; null: there is no body.</param>
    /// <param name="most">Most bytes.</param>
    /// <param name="room">What counts the bytes, until <see cref="Release"/>; null: nothing does.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async ValueTask<bool> ReadAsync(MessageExchange? source, int most, BodyRoom? room, CancellationToken cancellationToken)
    {
        // One that reads on counts with the room that there is.
        room = room is null ? null : _room ??= room;
        while (!IsWhole && _length <= most)
        {
            var piece = source is null ? default : await source.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (piece.IsEmpty)
            {
                IsWhole = true;
                break;
            }

            if (room?.TryTake(piece.Length) == false)
            {
                IsRefused = true;
                return false;
            }

            if (_buffer.Length - _length < piece.Length)
            {
                Array.Resize(ref _buffer, Math.Max(_length + piece.Length, Math.Min(most, _buffer.Length * 2)));
            }

            piece.CopyTo(_buffer.AsMemory(_length));
            _length += piece.Length;
            Bytes = _buffer.AsMemory(0, _length);
        }

        return IsWhole && Bytes.Length <= most;
    }

    /// <summary>Puts other bytes in its place.</summary>
    public void Replace(ReadOnlyMemory<byte> body)
    {
        Bytes = body;
        IsWhole = true;
    }

    /// <summary>Lets go of the bytes, which have been sent for good or never will be, and gives their room back.</summary>
    public void Release()
    {
        (_buffer, Bytes) = ([], default);
        _room?.Release();
    }
}
