using System.Buffers;
using Google.Protobuf;

namespace Ambient.Node.Discovery.Xds.Envoy.Reading;

/// <summary>
/// Reads a message and says whether all of it is declared here: a field that is not may restrict what the rest allows. What lies in
/// <c>bytes</c> and <c>Any</c> is read by itself.
/// </summary>
internal static class Strict
{
    /// <summary>Reads a message.</summary>
    /// <param name="parser">Its parser.</param>
    /// <param name="bytes">Its bytes.</param>
    /// <param name="isWhole">Whether every field of it, at any depth, is known.</param>
    /// <exception cref="InvalidProtocolBufferException">The bytes are no such message.</exception>
    public static T Read<T>(MessageParser<T> parser, ByteString bytes, out bool isWhole)
        where T : class, IMessage<T> => Read(parser, bytes.Span, out isWhole);

    /// <summary>Reads a message where it lies.</summary>
    /// <param name="parser">Its parser.</param>
    /// <param name="bytes">Its bytes.</param>
    /// <param name="isWhole">Whether every field of it, at any depth, is known.</param>
    /// <exception cref="InvalidProtocolBufferException">The bytes are no such message.</exception>
    public static T Read<T>(MessageParser<T> parser, ReadOnlySpan<byte> bytes, out bool isWhole)
        where T : class, IMessage<T>
    {
        // What is known of the message is all of its bytes, in whatever order, or there is something else in it. To compare with what a reader of all fields finds
        // would not do: in the entries of a map such a reader lets go of what it does not know, and puts something empty in its place.
        var known = Known<T>.Of(parser).ParseFrom(bytes);
        isWhole = known.CalculateSize() == bytes.Length && Sums(bytes) == SumsOf(known, bytes.Length);
        return known;
    }

    private static (ulong, ulong) SumsOf(IMessage message, int size)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(size);
        try
        {
            message.WriteTo(buffer.AsSpan(0, size));
            return Sums(buffer.AsSpan(0, size));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static (ulong, ulong) Sums(ReadOnlySpan<byte> bytes)
    {
        var (sum, squares) = (0ul, 0ul);
        foreach (uint value in bytes)
        {
            sum += value;
            squares += value * value;
        }

        return (sum, squares);
    }

    private static class Known<T>
        where T : class, IMessage<T>
    {
        private static MessageParser<T>? s_parser;

        public static MessageParser<T> Of(MessageParser<T> parser) => s_parser ??= parser.WithDiscardUnknownFields(true);
    }
}
