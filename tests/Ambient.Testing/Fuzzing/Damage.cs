using System.Text;

namespace Ambient.Testing.Fuzzing;

/// <summary>Bends what is right, a little: what random bytes never reach lies behind input that is nearly right.</summary>
public static class Damage
{
    private static readonly int[] Corners = [0, 1, 0x7f, 0x80, 0xfe, 0xff];

    /// <summary>Bytes with up to six changes: bits, values, pieces left out, doubled or moved, and the end cut off.</summary>
    public static byte[] Of(ReadOnlySpan<byte> good, Random random)
    {
        var bytes = new List<byte>(good.Length + 32);
        bytes.AddRange(good);
        for (var changes = random.Next(1, 7); changes > 0; changes--)
        {
            var at = random.Next(bytes.Count + 1);
            var length = Math.Min(random.Next(1, 17), bytes.Count - at);
            switch (random.Next(8))
            {
                case 0 when at < bytes.Count:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1 when at < bytes.Count:
                    bytes[at] = (byte)Corners[random.Next(Corners.Length)];
                    break;
                case 2 when at < bytes.Count:
                    bytes[at] += (byte)random.Next(-2, 3);
                    break;
                case 3:
                    bytes.RemoveRange(at, length);
                    break;
                case 4:
                    bytes.InsertRange(random.Next(bytes.Count + 1), bytes.GetRange(at, length));
                    break;
                case 5:
                    bytes.Insert(at, (byte)random.Next(256));
                    break;
                case 6 when random.Next(3) == 0:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
                default:
                    if (at < bytes.Count)
                    {
                        bytes[at] = (byte)random.Next(256);
                    }

                    break;
            }
        }

        return [.. bytes];
    }

    /// <summary>Text with up to five changes: pieces left out or doubled, the end cut off, characters and <paramref name="fragments"/> put in.</summary>
    /// <param name="good">What is right.</param>
    /// <param name="random">Chance.</param>
    /// <param name="fragments">What means something to the reader.</param>
    public static string Of(string good, Random random, params ReadOnlySpan<string> fragments)
    {
        ArgumentNullException.ThrowIfNull(good);
        var text = new StringBuilder(good);
        for (var changes = random.Next(1, 6); changes > 0; changes--)
        {
            var at = random.Next(text.Length + 1);
            var length = random.Next(Math.Min(40, text.Length - at) + 1);
            switch (random.Next(6))
            {
                case 0:
                    text.Remove(at, length);
                    break;
                case 1 when fragments.Length > 0:
                    text.Insert(at, fragments[random.Next(fragments.Length)]);
                    break;
                case 2:
                    text.Insert(random.Next(text.Length + 1), text.ToString(at, length));
                    break;
                case 3 when random.Next(3) == 0:
                    text.Length = at;
                    break;
                default:
                    if (at < text.Length)
                    {
                        text[at] = (char)random.Next(1, random.Next(4) == 0 ? 0x10000 : 0x80);
                    }

                    break;
            }
        }

        return text.ToString();
    }
}
