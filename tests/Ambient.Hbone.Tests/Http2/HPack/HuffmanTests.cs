using Ambient.Hbone.Http2.HPack;
using Ambient.Testing.Fuzzing;

namespace Ambient.Hbone.Tests.Http2.HPack;

public class HuffmanTests
{
    [Fact]
    public void Decode_EveryByteValue_RoundTrips()
    {
        for (var value = 0; value < 256; value++)
        {
            byte[] source = [(byte)value];
            Assert.Equal(source, Decode(Encode(source)));
        }
    }

    // One code of each length in RFC 7541 appendix B, left-aligned and padded with ones: checks the table itself
    // against the text of the RFC, which a round trip cannot.
    [Theory]
    [InlineData('0', "07")] // 00000
    [InlineData('a', "1f")] // 00011
    [InlineData(' ', "53")] // 010100
    [InlineData('u', "b7")] // 101101
    [InlineData(':', "b9")] // 1011100
    [InlineData('z', "f7")] // 1111011
    [InlineData('&', "f8")] // 11111000
    [InlineData('Z', "fd")] // 11111101
    [InlineData('!', "fe3f")] // 11111110 00
    [InlineData('+', "ff7f")] // 11111111 011
    [InlineData('|', "ff9f")] // 11111111 100
    [InlineData('#', "ffaf")] // 11111111 1010
    [InlineData('\0', "ffc7")] // 11111111 11000
    [InlineData('~', "ffef")] // 11111111 11101
    [InlineData('^', "fff3")] // 11111111 111100
    [InlineData('<', "fff9")] // 11111111 1111100
    [InlineData('\\', "fffe1f")] // 11111111 11111110 000
    [InlineData(0x80, "fffe6f")] // 11111111 11111110 0110
    [InlineData(0x99, "fffee7")] // 11111111 11111110 11100
    [InlineData(0x81, "ffff4b")] // 11111111 11111111 010010
    [InlineData(0x01, "ffffb1")] // 11111111 11111111 1011000
    [InlineData('\t', "ffffea")] // 11111111 11111111 11101010
    [InlineData(0xc7, "fffff67f")] // 11111111 11111111 11110110 0
    [InlineData(0xc0, "fffff83f")] // 11111111 11111111 11111000 00
    [InlineData(0xcb, "fffffbdf")] // 11111111 11111111 11111011 110
    [InlineData(0x02, "fffffe2f")] // 11111111 11111111 11111110 0010
    [InlineData('\n', "fffffff3")] // 11111111 11111111 11111111 111100
    [InlineData(0x16, "fffffffb")] // 11111111 11111111 11111111 111110
    public void Encode_Symbol_IsTheCodeOfTheRfc(int symbol, string code) => Assert.Equal(code, Convert.ToHexStringLower(Encode([(byte)symbol])));

    [Theory]
    [InlineData("1c", true)] // 'a' is 00011: 00011|100 has padding that is not ones
    [InlineData("ff", true)] // eight bits of padding
    [InlineData("1fff", true)] // 'a' and eleven bits of padding
    [InlineData("ffffffff", true)] // EOS (thirty ones) inside the string
    [InlineData("3fffffffff", true)]
    [InlineData("1f", false)]
    [InlineData("", false)]
    public void Decode_EosOrPaddingOutsideTheRules_Fails(string code, bool fails) =>
        Assert.Equal(!fails, Huffman.TryDecode(Convert.FromHexString(code), new byte[64], out _));

    [Fact]
    [Trait("Category", "Fuzz")]
    public void Decode_RandomStrings_RoundTrip()
    {
        FuzzBudget.Run(2000, random =>
        {
            var source = new byte[random.Next(200)];
            random.NextBytes(source);
            if (random.Next(2) == 0)
            {
                // What header values are made of: codes of five to eight bits, now and then a longer one.
                random.GetItems(" -./0123456789:abcdefghijklmnopqrstuvwxyz{}"u8, source);
            }

            var encoded = Encode(source);
            Assert.Equal(Huffman.EncodedLength(source), encoded.Length);
            Assert.Equal(source, Decode(encoded));
        });
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public void Decode_RandomBytes_FailsOrGivesWhatEncodesToThem()
    {
        FuzzBudget.Run(20_000, random =>
        {
            var source = new byte[random.Next(24)];
            random.NextBytes(source);
            var decoded = new byte[Huffman.MaxDecodedLength(source.Length)];
            if (Huffman.TryDecode(source, decoded, out var written))
            {
                Assert.Equal(source, Encode(decoded.AsSpan(0, written).ToArray()));
            }
        });
    }

    private static byte[] Encode(byte[] source)
    {
        var destination = new byte[Huffman.EncodedLength(source)];
        Assert.Equal(destination.Length, Huffman.Encode(source, destination));
        return destination;
    }

    private static byte[] Decode(byte[] source)
    {
        var destination = new byte[Huffman.MaxDecodedLength(source.Length)];
        Assert.True(Huffman.TryDecode(source, destination, out var written));
        return destination[..written];
    }
}
