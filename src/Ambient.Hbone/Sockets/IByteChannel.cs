using System.Net.Sockets;

namespace Ambient.Hbone.Sockets;

/// <summary>
/// What TLS travels on: a socket, or a tunnel that carries another connection. Tries first and waits only when it must; holds no
/// buffer while it waits. One reader and one writer at a time.
/// </summary>
internal interface IByteChannel
{
    /// <summary>The loop that the bytes come from, or null.</summary>
    EventLoop? Loop { get; }

    /// <summary>Receives what is there: bytes, 0 at the end, -1 when nothing is there or on failure.</summary>
    /// <param name="buffer">Not empty.</param>
    /// <param name="error"><see cref="SocketError.WouldBlock"/> when nothing is there; else why it failed.</param>
    int TryReceive(Span<byte> buffer, out SocketError error);

    /// <summary>
    /// True if <see cref="TryReceive"/> is certain to find nothing now, so that no buffer need be rented to call it. False says nothing either way.
    /// </summary>
    bool IsDrained { get; }

    /// <summary>
    /// Lends what is there, where it lies already in this channel's own memory, until it is given back by <see cref="Return"/>. False: nothing can be
    /// lent, and <see cref="TryReceive"/> has to be asked.
    /// </summary>
    bool TryLend(out ReadOnlyMemory<byte> bytes);

    /// <summary>Gives back what <see cref="TryLend"/> lent, of which so many bytes are done with.</summary>
    void Return(int count);

    /// <summary>Waits until there is something to receive, be it the end or a failure. May complete for nothing.</summary>
    ValueTask WaitToReceiveAsync();

    /// <summary>Sends what fits: bytes, or -1 when nothing fits or on failure.</summary>
    /// <param name="bytes">Not empty.</param>
    /// <param name="error"><see cref="SocketError.WouldBlock"/> when nothing fits; else why it failed.</param>
    int TrySend(ReadOnlySpan<byte> bytes, out SocketError error);

    /// <summary>Sends all, waiting as often as it must.</summary>
    ValueTask SendAllAsync(ReadOnlyMemory<byte> bytes);

    /// <summary>
    /// Sends all of a buffer's bytes, waiting as often as it must, and takes the buffer over: it comes from <see cref="IoBuffers"/> and goes back there,
    /// whether it was sent or not.
    /// </summary>
    /// <param name="buffer">Buffer.</param>
    /// <param name="offset">Where the bytes begin: at least <see cref="Http2.Framing.FrameHeader.Size"/>, for a tunnel's frame header in front.</param>
    /// <param name="count">How many.</param>
    ValueTask SendOwnedAsync(byte[] buffer, int offset, int count);

    /// <summary>
    /// Lets a <see cref="WaitToReceiveAsync"/> complete for nothing, the next one where none waits. Any thread, any time; whoever waits goes on on the
    /// channel's thread, and not within the call.
    /// </summary>
    void Wake();

    /// <summary>Ends our direction.</summary>
    void ShutdownSend();

    /// <summary>Ends both directions, which wakes whoever waits. Any thread, any time.</summary>
    void ShutdownBoth();

    /// <summary>
    /// Ends both directions, which wakes whoever waits, so that what was cut off does not look complete to the peer, which may learn of it
    /// only with <see cref="Close"/>. Any thread, any time; whoever waits goes on on the channel's thread, and not within the call.
    /// </summary>
    void Break();

    /// <summary>
    /// Tells a watcher when the peer ends its direction or the channel fails, even while bytes from before are unread; at once if that has already
    /// happened. Null: nobody is told any more.
    /// </summary>
    void Watch(IHangUpWatcher? watcher);

    /// <summary>Releases everything. Any number of times.</summary>
    void Close();
}
