using System.Net.Sockets;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Messages;

/// <summary>
/// Bytes both ways, of which the first can be looked at before it is decided what they are: a tunnel, a socket, or a stream of TLS. Owns what it is
/// over. Give it to a <see cref="MessageServer"/>, a <see cref="MessageClientConnection"/>, or a relay, which own it from there.
/// </summary>
public sealed class MessageChannel : IAsyncDisposable
{
    private byte[]? _peeked;
    private int _start;
    private int _end;
    private bool _peekedEnd;

    // A wait that was given up on, and goes on.
    private Task? _left;

    internal MessageChannel(IByteChannel bytes) => Bytes = bytes;

    internal IByteChannel Bytes { get; }

    /// <summary>The loop that serves it, or null.</summary>
    internal EventLoop? Loop => Bytes.Loop;

    /// <summary>Over a tunnel of which nobody has asked for the pipes.</summary>
    public static MessageChannel Over(HboneTunnel tunnel)
    {
        ArgumentNullException.ThrowIfNull(tunnel);
        return new MessageChannel(new TunnelChannel((StreamTunnel)tunnel));
    }

    /// <summary>Over a connected socket.</summary>
    /// <param name="socket">Connected socket.</param>
    /// <param name="io">Whose threads serve it.</param>
    /// <param name="thread">
    /// Which of them, as <see cref="HboneIo.CurrentThread"/> numbers them; -1: the one that asks where it is one of them, else any.
    /// </param>
    public static MessageChannel Over(Socket socket, HboneIo io, int thread = -1)
    {
        ArgumentNullException.ThrowIfNull(socket);
        ArgumentNullException.ThrowIfNull(io);
        return new MessageChannel(new SocketChannel(socket, io.LoopOf(thread)));
    }

    /// <summary>Over a connected socket of which something was received already.</summary>
    /// <param name="socket">Connected socket.</param>
    /// <param name="io">Whose threads serve it; whichever of them.</param>
    /// <param name="received">What came first: up to 65,536 bytes, which are copied.</param>
    public static MessageChannel AfterReceiving(Socket socket, HboneIo io, ReadOnlySpan<byte> received)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(received.Length, IoBuffers.Large);
        var channel = Over(socket, io);
        if (!received.IsEmpty)
        {
            channel._peeked = IoBuffers.Rent(received.Length);
            received.CopyTo(channel._peeked);
            channel._end = received.Length;
        }

        return channel;
    }

    /// <summary>Over a stream, such as an authenticated <see cref="System.Net.Security.SslStream"/>.</summary>
    public static MessageChannel Over(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        return new MessageChannel(new StreamChannel(stream));
    }

    /// <summary>
    /// Waits for more bytes than were seen before, and shows all that came so far without taking them. As long as before: the peer has ended, or
    /// <paramref name="most"/> bytes are there.
    /// </summary>
    /// <param name="most">Most bytes to look at: 1 to 65,536.</param>
    /// <param name="cancellationToken">Ends the wait, and the channel with it.</param>
    /// <exception cref="IOException">The channel failed.</exception>
    public async ValueTask<ReadOnlyMemory<byte>> PeekAsync(int most, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(most, IoBuffers.Large);
        await using var onCancel = cancellationToken.UnsafeRegister(static c => ((IByteChannel)c!).ShutdownBoth(), Bytes).ConfigureAwait(false);
        while (_end < most && !_peekedEnd)
        {
            await WaitForMoreAsync().ConfigureAwait(false);
            Grow(most);
            var count = Bytes.TryReceive(_peeked.AsSpan(_end, Math.Min(_peeked!.Length, most) - _end), out var error);
            if (count > 0)
            {
                _end += count;
                break;
            }

            if (count == 0)
            {
                _peekedEnd = true;
            }
            else if (error != SocketError.WouldBlock)
            {
                cancellationToken.ThrowIfCancellationRequested();
                throw new IOException($"the connection failed: {error}", new SocketException((int)error));
            }
        }

        cancellationToken.ThrowIfCancellationRequested();
        return _peeked.AsMemory(0, _end);
    }

    /// <summary>
    /// As <see cref="PeekAsync(int, CancellationToken)"/>, of a peer that need not speak: where nothing more has come by then, what is there is shown
    /// again, and the channel goes on.
    /// </summary>
    /// <param name="most">Most bytes to look at: 1 to 65,536.</param>
    /// <param name="patience">Ends the wait alone.</param>
    /// <param name="cancellationToken">Ends the wait, and the channel with it.</param>
    /// <exception cref="IOException">The channel failed.</exception>
    public async ValueTask<ReadOnlyMemory<byte>> PeekPatientlyAsync(int most, CancellationToken patience, CancellationToken cancellationToken)
    {
        if (_end < most && !_peekedEnd)
        {
            // Whoever waits next goes on with this wait, be it over or not.
            _left = WaitForMoreAsync().AsTask();
            await using var onCancel = cancellationToken.UnsafeRegister(static c => ((IByteChannel)c!).ShutdownBoth(), Bytes).ConfigureAwait(false);
            await _left.WaitAsync(patience).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!_left.IsCompleted)
            {
                cancellationToken.ThrowIfCancellationRequested();
                return _peeked.AsMemory(0, _end);
            }
        }

        return await PeekAsync(most, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Takes away the first bytes of what was looked at: whoever gets the channel begins after them.</summary>
    /// <param name="count">How many: no more than the last look showed.</param>
    public void Take(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _end - _start);
        _start += count;
        if (_start == _end)
        {
            GiveBack();
        }
    }

    /// <summary>Sends bytes that go before all that whoever gets the channel will send.</summary>
    /// <param name="bytes">All of them are sent.</param>
    /// <param name="cancellationToken">Ends the wait, and the channel with it.</param>
    /// <exception cref="IOException">The channel failed.</exception>
    public async ValueTask SendFirstAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
    {
        await using var onCancel = cancellationToken.UnsafeRegister(static c => ((IByteChannel)c!).ShutdownBoth(), Bytes).ConfigureAwait(false);
        try
        {
            await Bytes.SendAllAsync(bytes).ConfigureAwait(false);
        }
        catch (SocketException e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw new IOException($"the connection failed: {e.SocketErrorCode}", e);
        }

        cancellationToken.ThrowIfCancellationRequested();
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        Close();
        return default;
    }

    /// <summary>Releases everything. Any number of times.</summary>
    internal void Close()
    {
        GiveBack();
        Bytes.Close();
    }

    /// <summary>As <see cref="IByteChannel.TryReceive"/>, beginning with what was looked at.</summary>
    internal int TryReceive(Span<byte> buffer, out SocketError error)
    {
        error = SocketError.Success;
        if (_start < _end)
        {
            var count = Math.Min(_end - _start, buffer.Length);
            _peeked.AsSpan(_start, count).CopyTo(buffer);
            _start += count;
            if (_start == _end)
            {
                GiveBack();
            }

            return count;
        }

        return _peekedEnd ? 0 : Bytes.TryReceive(buffer, out error);
    }

    /// <summary>As <see cref="IByteChannel.IsDrained"/>, once what was looked at has been received.</summary>
    internal bool IsDrained => _start == _end && !_peekedEnd && Bytes.IsDrained;

    /// <summary>As <see cref="IByteChannel.TryLend"/>, once what was looked at has been received.</summary>
    internal bool TryLend(out ReadOnlyMemory<byte> bytes)
    {
        bytes = default;
        return _start == _end && !_peekedEnd && Bytes.TryLend(out bytes);
    }

    /// <summary>As <see cref="IByteChannel.Return"/>.</summary>
    internal void Return(int count) => Bytes.Return(count);

    /// <summary>As <see cref="IByteChannel.WaitToReceiveAsync"/>.</summary>
    internal ValueTask WaitToReceiveAsync() => _start < _end || _peekedEnd ? default : WaitForMoreAsync();

    private ValueTask WaitForMoreAsync()
    {
        if (_left is { } left)
        {
            _left = null;
            return new ValueTask(left);
        }

        return Bytes.WaitToReceiveAsync();
    }

    private void Grow(int most)
    {
        if (_peeked is null)
        {
            _peeked = IoBuffers.Rent(Math.Min(most, IoBuffers.Small));
        }
        else if (_end == _peeked.Length)
        {
            var larger = IoBuffers.Rent(Math.Min(most, _peeked.Length * 4));
            _peeked.AsSpan(0, _end).CopyTo(larger);
            IoBuffers.Return(_peeked);
            _peeked = larger;
        }
    }

    private void GiveBack()
    {
        if (_peeked is { } peeked)
        {
            _peeked = null;
            _start = _end = 0;
            IoBuffers.Return(peeked);
        }
    }
}
