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
        // Usually the known fields fill every byte; only where they do not, both readings are compared.
        var known = Known<T>.Of(parser).ParseFrom(bytes);
        var size = known.CalculateSize();
        isWhole = size == bytes.Length || size == parser.ParseFrom(bytes).CalculateSize();
        return known;
    }

    private static class Known<T>
        where T : class, IMessage<T>
    {
        private static MessageParser<T>? s_parser;

        public static MessageParser<T> Of(MessageParser<T> parser) => s_parser ??= parser.WithDiscardUnknownFields(true);
    }
}
