using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.Intrinsics;

namespace Ambient.Hbone.Http1;

/// <summary>
/// Takes lines, which end with CRLF and nothing else, from bytes as they come, up to a number of bytes in all. A line that is not whole yet stays
/// with the caller, who shows it again with what came since; what was searched of it is not searched again.
/// </summary>
/// <param name="maxSize">Bytes of all lines.</param>
/// <param name="what">What they make up, for errors.</param>
internal struct HeadLines(int maxSize, string what)
{
    private int _taken;
    private int _searched;

    /// <summary>Takes the next line.</summary>
    /// <param name="bytes">Bytes, the first of which were taken by earlier calls.</param>
    /// <param name="consumed">How many those are; with the line, when there is one.</param>
    /// <param name="line">The line without its end.</param>
    /// <exception cref="Http1Exception">There are too many bytes, or an LF without a CR.</exception>
    public bool TryTake(ReadOnlySpan<byte> bytes, scoped ref int consumed, out ReadOnlySpan<byte> line)
    {
        var rest = bytes[consumed..];
        var from = Math.Min(_searched, rest.Length);
        var end = IndexOfFeed(rest[from..]);
        var length = end < 0 ? rest.Length : from + end + 1;
        if (length > maxSize - _taken)
        {
            ThrowTooLarge();
        }

        if (end < 0)
        {
            _searched = length;
            line = default;
            return false;
        }

        if (length == 1 || rest[length - 2] != '\r')
        {
            ThrowBareFeed();
        }

        line = rest[..(length - 2)];
        _searched = 0;
        _taken += length;
        consumed += length;
        return true;
    }

    /// <summary>Begins anew.</summary>
    public void Reset() => (_taken, _searched) = (0, 0);

    // Lines are short: a general search costs more to call than it finds.
    private static int IndexOfFeed(ReadOnlySpan<byte> bytes)
    {
        var i = 0;
        for (; i <= bytes.Length - Vector128<byte>.Count; i += Vector128<byte>.Count)
        {
            var feeds = Vector128.Equals(Vector128.Create(bytes[i..]), Vector128.Create((byte)'\n')).ExtractMostSignificantBits();
            if (feeds != 0)
            {
                return i + BitOperations.TrailingZeroCount(feeds);
            }
        }

        while (i < bytes.Length && bytes[i] != '\n')
        {
            i++;
        }

        return i < bytes.Length ? i : -1;
    }

    // Texts are made here, where they are not in the way of the lines that are taken.
    [DoesNotReturn]
    private readonly void ThrowTooLarge() => throw new Http1Exception(431, $"{what} is larger than {maxSize} bytes");

    [DoesNotReturn]
    private readonly void ThrowBareFeed() => throw new Http1Exception(400, $"a line of {what} ends with LF instead of CRLF");
}
