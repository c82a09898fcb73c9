using System.Buffers.Binary;
using System.Net.Security;
using System.Text;

namespace Ambient.EndToEnd.Tests.Wire;

/// <summary>What a client offers in the first record of TLS (RFC 8446 section 4.1.2).</summary>
internal sealed record ClientHello(IReadOnlyList<string> CipherSuites, string? ServerName, IReadOnlyList<string> Protocols)
{
    private const ushort RenegotiationSignal = 0x00ff;

    /// <summary>Parses the first bytes that a client sent: a handshake record with a ClientHello.</summary>
    public static ClientHello Parse(ReadOnlySpan<byte> record)
    {
        // Record header (5), handshake header (4), version (2), random (32).
        var rest = record[43..];
        rest = rest[(1 + rest[0])..];
        var suites = new List<string>();
        foreach (var suite in Take16(ref rest).Chunks(2))
        {
            // Some libraries end the list with a signal of RFC 5746 section 3.3, which is no suite and means nothing in TLS 1.3.
            var number = BinaryPrimitives.ReadUInt16BigEndian(suite);
            if (number != RenegotiationSignal)
            {
                suites.Add(((TlsCipherSuite)number).ToString());
            }
        }

        rest = rest[(1 + rest[0])..];
        var extensions = Take16(ref rest);
        string? serverName = null;
        var protocols = new List<string>();
        while (!extensions.IsEmpty)
        {
            var type = BinaryPrimitives.ReadUInt16BigEndian(extensions);
            extensions = extensions[2..];
            var body = Take16(ref extensions);
            if (type == 0)
            {
                serverName = Encoding.ASCII.GetString(body[5..]);
            }
            else if (type == 16)
            {
                for (var list = body[2..]; !list.IsEmpty; list = list[(1 + list[0])..])
                {
                    protocols.Add(Encoding.ASCII.GetString(list.Slice(1, list[0])));
                }
            }
        }

        return new ClientHello(suites, serverName, protocols);
    }

    private static ReadOnlySpan<byte> Take16(ref ReadOnlySpan<byte> source)
    {
        var length = BinaryPrimitives.ReadUInt16BigEndian(source);
        var taken = source.Slice(2, length);
        source = source[(2 + length)..];
        return taken;
    }
}

/// <summary>Spans in pieces of a fixed size.</summary>
internal static class SpanChunks
{
    public static IEnumerable<byte[]> Chunks(this ReadOnlySpan<byte> span, int size) => span.ToArray().Chunk(size);
}
