using System.Text;
using Ambient.Http;

namespace Ambient.Core.Tests.Http;

public sealed class HttpSyntaxTests
{
    [Theory]
    [InlineData("a", true)]
    [InlineData("A-b_c.example:0", true)]
    [InlineData("10.0.0.1:65535", true)]
    [InlineData("[::1]", true)]
    [InlineData("[fe80::1]:80", true)]
    [InlineData("a%20b!$&'()*+,;=~", true)]
    [InlineData("", false)]
    [InlineData("a:", false)]
    [InlineData(":1", false)]
    [InlineData("a:65536", false)]
    [InlineData("a:000001", false)]
    [InlineData("a:-1", false)]
    [InlineData("a:1:1", false)]
    [InlineData("u@a", false)]
    [InlineData("a/", false)]
    [InlineData("a?", false)]
    [InlineData("a#", false)]
    [InlineData("a\\", false)]
    [InlineData("a b", false)]
    [InlineData("a\0", false)]
    [InlineData("\u00E9", false)]
    [InlineData("[]", false)]
    [InlineData("[::]", true)]
    [InlineData("[1:2:3:4:5:6:7:8]", true)]
    [InlineData("[::ffff:10.0.0.1]:1", true)]
    [InlineData("[:]", false)]
    [InlineData("[:1]", false)]
    [InlineData("[1::2::3]", false)]
    [InlineData("[12345::]", false)]
    [InlineData("[1:2:3:4:5:6:7]", false)]
    [InlineData("[10.0.0.1]", false)]
    [InlineData("[abc]", false)]
    [InlineData("[::1", false)]
    [InlineData("[::1]a", false)]
    [InlineData("[::1%25eth0]", false)]
    [InlineData("::1", false)]
    public void An_authority_is_a_host_with_or_without_a_port(string text, bool expected) =>
        Assert.Equal((expected, expected), (HttpSyntax.IsAuthority(text), HttpSyntax.IsAuthority(Encoding.Latin1.GetBytes(text))));

    [Fact]
    public void An_authority_has_at_most_1024_characters()
    {
        Assert.True(HttpSyntax.IsAuthority(new string('a', 1024)));
        Assert.False(HttpSyntax.IsAuthority(new string('a', 1025)));
        Assert.False(HttpSyntax.IsAuthority(new byte[1_000_000]));
    }

    [Fact]
    public void Text_and_bytes_are_judged_alike_character_by_character()
    {
        for (var c = '\0'; c <= '\u00FF'; c++)
        {
            var text = c.ToString();
            byte[] bytes = [(byte)c];
            Assert.Equal(char.IsAsciiLetterOrDigit(c) || (c != 0 && "!#$%&'*+-.^_`|~".Contains(c)), HttpSyntax.IsToken(c));
            Assert.Equal((HttpSyntax.IsToken(c), HttpSyntax.IsToken(c)), (HttpSyntax.IsToken(text), HttpSyntax.IsToken(bytes)));
            Assert.Equal(c is > ' ' and < '\u007F' and not '#', HttpSyntax.IsTarget(text));
            Assert.Equal(HttpSyntax.IsTarget(text), HttpSyntax.IsTarget(bytes));
            Assert.Equal(c == '\t' || (!char.IsControl(c) || c >= '\u0080'), HttpSyntax.IsFieldValue(c));
            Assert.Equal(HttpSyntax.IsFieldValue(c), HttpSyntax.IsFieldValue(bytes));
        }

        Assert.False(HttpSyntax.IsToken(""));
        Assert.False(HttpSyntax.IsToken("\u0141"));
        Assert.False(HttpSyntax.IsTarget(""));
        Assert.False(HttpSyntax.IsTarget("/\u0141"));
        Assert.False(HttpSyntax.IsFieldValue('\u0100'));
        Assert.True(HttpSyntax.IsFieldValue(ReadOnlySpan<byte>.Empty));
    }

    [Fact]
    public void One_byte_decides_wherever_it_stands_and_however_long_the_rest_is()
    {
        // The lengths at which a short loop, eight bytes and sixteen bytes take over from one another are all among these.
        for (var length = 1; length <= 50; length++)
        {
            var bytes = new byte[length];
            for (var at = 0; at < length; at++)
            {
                for (var b = 0; b <= 255; b++)
                {
                    Array.Fill(bytes, (byte)'v');
                    bytes[at] = (byte)b;
                    var (value, target) = (HttpSyntax.IsFieldValue((char)b), b is > ' ' and < 0x7F and not '#');
                    if (HttpSyntax.IsFieldValue(bytes) != value || HttpSyntax.IsTarget(bytes) != target || HttpSyntax.IsTarget(Encoding.Latin1.GetString(bytes)) != target)
                    {
                        Assert.Fail($"byte {b} at {at} of {length}");
                    }
                }
            }
        }
    }

    [Fact]
    public void Authorities_are_what_an_expression_for_them_says()
    {
        var expression = new System.Text.RegularExpressions.Regex("^[-._~!$&'()*+,;=%0-9A-Za-z]+(:([0-9]{1,5}))?\\z");
        const string Alphabet = "ab.-A9z0::_~%!@ /#?\\\u00E9\u0141\0";
        var random = new Random(4713);
        var valid = 0;
        for (var round = 0; round < 200_000; round++)
        {
            var text = string.Create(random.Next(9), random, static (span, random) =>
            {
                foreach (ref var c in span)
                {
                    c = Alphabet[random.Next(random.Next(3) == 0 ? Alphabet.Length : 10)];
                }
            });
            var match = expression.Match(text);
            var expected = match.Success && (match.Groups[2].Length == 0 || int.Parse(match.Groups[2].Value, System.Globalization.CultureInfo.InvariantCulture) <= 65_535);
            Assert.True(expected == HttpSyntax.IsAuthority(text), text);
            valid += expected ? 1 : 0;
        }

        Assert.InRange(valid, 10_000, 190_000);
    }

    [Fact]
    public void Text_beyond_Latin_1_is_neither_token_nor_target()
    {
        foreach (var length in (int[])[1, 8, 16, 17, 40])
        {
            var text = new string('a', length - 1) + '\u0161';
            Assert.False(HttpSyntax.IsToken(text));
            Assert.False(HttpSyntax.IsTarget(text));
        }
    }
}
