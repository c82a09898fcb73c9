using System.Buffers;
using System.Text;
using Ambient.Node.Discovery.Xds.Workloads;

namespace Ambient.Testing.ControlPlane;

/// <summary>Recorded messages made into others without a schema for all of what is in them.</summary>
internal static class WireText
{
    /// <summary>The message with a text in place of another, wherever it stands, in messages within messages too.</summary>
    internal static byte[] Replace(ReadOnlySpan<byte> message, string old, string now)
    {
        var output = new ArrayBufferWriter<byte>(message.Length + now.Length);
        var sought = Encoding.UTF8.GetBytes(old);
        foreach (var (number, whole, range) in Parts(message))
        {
            if (range is not { } within || message[within].IndexOf(sought) < 0)
            {
                output.Write(message[whole]);
                continue;
            }

            var content = message[within];
            Write(output, number, IsText(content) ? Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(content).Replace(old, now, StringComparison.Ordinal)) : Replace(content, old, now));
        }

        return output.WrittenSpan.ToArray();
    }

    /// <summary>
    /// The same message in other bytes: the fields of its first number go last. Fields of one number stay in their order, which is all that protobuf gives
    /// a meaning to.
    /// </summary>
    internal static byte[] Reordered(ReadOnlySpan<byte> message)
    {
        var parts = Parts(message);
        var output = new ArrayBufferWriter<byte>(message.Length + 1);
        foreach (var (_, whole, _) in parts.Where(part => part.Number != parts[0].Number).Concat(parts.Where(part => part.Number == parts[0].Number)))
        {
            output.Write(message[whole]);
        }

        return output.WrittenSpan.ToArray();
    }

    /// <summary>The message with every field of a number, a message itself, as a function makes it.</summary>
    internal static byte[] Map(ReadOnlySpan<byte> message, int number, Func<byte[], byte[]> make)
    {
        var output = new ArrayBufferWriter<byte>(message.Length + 1);
        foreach (var (each, whole, content) in Parts(message))
        {
            if (each == number && content is { } range)
            {
                Write(output, number, make(message[range].ToArray()));
            }
            else
            {
                output.Write(message[whole]);
            }
        }

        return output.WrittenSpan.ToArray();
    }

    // A message that is not empty has a byte that does not print: the tag, or the length, of a short field.
    private static bool IsText(ReadOnlySpan<byte> content) => !content.ContainsAnyExceptInRange((byte)' ', (byte)'~');

    private static List<(int Number, Range Whole, Range? Content)> Parts(ReadOnlySpan<byte> message)
    {
        var parts = new List<(int, Range, Range?)>();
        var start = 0;
        var fields = new WireFields(message);
        while (fields.MoveNext())
        {
            var end = fields.Position;
            parts.Add((fields.Number, start..end, fields.IsText ? (end - fields.Content.Length)..end : null));
            start = end;
        }

        return parts;
    }

    private static void Write(ArrayBufferWriter<byte> output, int number, ReadOnlySpan<byte> content)
    {
        const int LengthDelimited = 2;
        Number(output, (uint)((number << 3) | LengthDelimited));
        Number(output, (uint)content.Length);
        output.Write(content);
    }

    private static void Number(ArrayBufferWriter<byte> output, uint value)
    {
        for (; value > 0x7f; value >>= 7)
        {
            output.Write([(byte)(value | 0x80)]);
        }

        output.Write([(byte)value]);
    }
}
