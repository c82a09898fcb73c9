using Ambient.Node.Requests.ExternalAuthorization;
using Microsoft.AspNetCore.Http;

namespace Ambient.Node.Member;

/// <summary>A request's body of which something was read before the application reads: that comes first, and then the rest. Read only.</summary>
internal sealed class ReplayedBody : Stream
{
    private readonly Stream _rest;
    private readonly byte[] _held;
    private int _read;

    private ReplayedBody(Stream rest, byte[] held, bool isWhole)
    {
        _rest = rest;
        _held = held;
        IsWhole = isWhole;
    }

    /// <summary>What was read.</summary>
    public ReadOnlyMemory<byte> Bytes => _held;

    /// <summary>Whether that is all there is.</summary>
    public bool IsWhole { get; }

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <summary>How much was read.</summary>
    public override long Length => _held.Length;

    /// <inheritdoc/>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Reads the beginning of a request's body, and puts itself in its place.</summary>
    /// <param name="http">The request.</param>
    /// <param name="most">Most bytes.</param>
    /// <param name="room">Counts them.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Null: there was no room for it, and something of it is lost.</returns>
    /// <exception cref="IOException">The client is gone, or the body is none.</exception>
    public static async ValueTask<ReplayedBody?> HoldAsync(HttpContext http, int most, BodyRoom room, CancellationToken cancellationToken)
    {
        var (buffer, length, isWhole) = (new byte[Math.Min(most, 4096)], 0, false);
        while (length < most)
        {
            if (length == buffer.Length)
            {
                Array.Resize(ref buffer, (int)Math.Min(most, 2L * buffer.Length));
            }

            var read = await http.Request.Body.ReadAsync(buffer.AsMemory(length), cancellationToken).ConfigureAwait(false);
            if (read == 0)
            {
                isWhole = true;
                break;
            }

            if (!room.TryTake(read))
            {
                return null;
            }

            length += read;
        }

        Array.Resize(ref buffer, length);
        var body = new ReplayedBody(http.Request.Body, buffer, isWhole);
        http.Request.Body = body;
        return body;
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        var held = Take(buffer);
        return held > 0 || buffer.IsEmpty ? held : _rest.Read(buffer);
    }

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var held = Take(buffer.Span);
        return held > 0 || buffer.IsEmpty ? new(held) : _rest.ReadAsync(buffer, cancellationToken);
    }

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private int Take(Span<byte> buffer)
    {
        var taken = Math.Min(buffer.Length, _held.Length - _read);
        _held.AsSpan(_read, taken).CopyTo(buffer);
        _read += taken;
        return taken;
    }
}
