using System.Text;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy.Hostile;

/// <summary>
/// Copies of a message, each with one field of another wire type than it has, at every depth, the lengths around it right again: a number where a text or a message
/// should be, and a text where a number should be. To whoever reads it such a field is one that is not known.
/// </summary>
internal static class WrongTypes
{
    private const int Deepest = 48;

    /// <summary>Names them.</summary>
    /// <param name="message">A message.</param>
    /// <returns>Of each the numbers of the fields that lead to the one that is changed, with the types that are named on the way; and what makes the copy.</returns>
    public static IEnumerable<(string Path, Func<byte[]> Make)> Of(byte[] message) => Of(message, "", static inner => inner, Deepest);

    private static IEnumerable<(string Path, Func<byte[]> Make)> Of(byte[] message, string path, Func<byte[], byte[]> wrap, int depth)
    {
        var fields = Fields(message);
        var type = fields is [{ Number: 1, Type: 2 } named, ..] && Encoding.ASCII.GetString(message[named.Content..named.End]) is var text && text.StartsWith("type.googleapis.com/", StringComparison.Ordinal)
            ? $"({text[(text.LastIndexOf('.') + 1)..]})"
            : "";
        foreach (var field in fields)
        {
            var own = $"{path}{type}/{field.Number}";
            yield return (own, () => wrap(Replaced(message, field, field.Type == 2 ? [.. Varint((ulong)(field.Number << 3)), 1] : [.. Varint((ulong)((field.Number << 3) | 2)), 1, (byte)'x'])));
            if (field.Type != 2 || depth == 0)
            {
                continue;
            }

            // What reads like a text, or is no message, has no fields of its own.
            var content = message[field.Content..field.End];
            if (content.All(static b => b is >= 0x20 and < 0x7f))
            {
                continue;
            }

            foreach (var inner in Of(content, own, inner => wrap(Replaced(message, field, [.. Varint((ulong)((field.Number << 3) | 2)), .. Varint((ulong)inner.Length), .. inner])), depth - 1))
            {
                yield return inner;
            }
        }
    }

    private static byte[] Replaced(byte[] message, Field field, byte[] by) => [.. message[..field.Start], .. by, .. message[field.End..]];

    /// <summary>The fields of a message; none where it is no message.</summary>
    private static List<Field> Fields(byte[] message)
    {
        var fields = new List<Field>();
        for (var at = 0; at < message.Length;)
        {
            var start = at;
            if (!TryVarint(message, ref at, out var tag) || tag >> 3 is 0 or > 10_000)
            {
                return [];
            }

            var content = at;
            switch (tag & 7)
            {
                case 0 when TryVarint(message, ref at, out _):
                    break;
                case 1:
                    at += 8;
                    break;
                case 2 when TryVarint(message, ref at, out var length) && length <= (ulong)(message.Length - at):
                    content = at;
                    at += (int)length;
                    break;
                case 5:
                    at += 4;
                    break;
                default:
                    return [];
            }

            if (at > message.Length)
            {
                return [];
            }

            fields.Add(new Field((int)(tag >> 3), (int)(tag & 7), start, content, at));
        }

        return fields;
    }

    private static bool TryVarint(byte[] message, ref int at, out ulong value)
    {
        value = 0;
        for (var shift = 0; shift < 64 && at < message.Length; shift += 7)
        {
            var next = message[at++];
            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80)
            {
                return true;
            }
        }

        return false;
    }

    private static byte[] Varint(ulong value)
    {
        var bytes = new List<byte>();
        for (; value >= 0x80; value >>= 7)
        {
            bytes.Add((byte)(value | 0x80));
        }

        bytes.Add((byte)value);
        return [.. bytes];
    }

    private readonly record struct Field(int Number, int Type, int Start, int Content, int End);
}
