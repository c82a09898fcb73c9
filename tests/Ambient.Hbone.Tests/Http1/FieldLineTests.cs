using System.Text;
using Ambient.Hbone.Http1;
using Ambient.Http;

namespace Ambient.Hbone.Tests.Http1;

public sealed class FieldLineTests
{
    private static readonly (string Name, FieldKind Kind)[] s_known =
    [
        ("host", FieldKind.Host), ("te", FieldKind.Te), ("expect", FieldKind.Expect), ("upgrade", FieldKind.Upgrade), ("connection", FieldKind.Connection),
        ("keep-alive", FieldKind.KeepAlive), ("content-length", FieldKind.ContentLength), ("http2-settings", FieldKind.Http2Settings),
        ("proxy-connection", FieldKind.ProxyConnection), ("transfer-encoding", FieldKind.TransferEncoding),
    ];

    [Fact]
    public void The_table_says_what_a_token_may_have_and_its_lower_case()
    {
        Assert.Equal(256, TokenBytes.Lower.Length);
        for (var b = 0; b <= 255; b++)
        {
            Assert.Equal(HttpSyntax.IsToken((char)b) ? char.ToLowerInvariant((char)b) : '\0', (char)TokenBytes.Lower[b]);
        }
    }

    [Fact]
    public void A_field_is_known_whatever_its_case_and_not_by_any_other_name()
    {
        Assert.Equal(Enum.GetValues<FieldKind>().Length - 1, s_known.Length);
        foreach (var (name, kind) in s_known)
        {
            Assert.Equal((kind, kind), (FieldKinds.Of(Encoding.ASCII.GetBytes(name)), FieldKinds.Of(Encoding.ASCII.GetBytes(name.ToUpperInvariant()))));
            Assert.Equal(FieldKind.Ordinary, FieldKinds.Of(Encoding.ASCII.GetBytes(name + "s")));
            for (var at = 0; at < name.Length; at++)
            {
                var bytes = Encoding.ASCII.GetBytes(name);
                for (var b = 0; b <= 255; b++)
                {
                    bytes[at] = (byte)b;
                    Assert.Equal(char.ToLowerInvariant((char)b) == name[at] && b < 128 ? kind : FieldKind.Ordinary, FieldKinds.Of(bytes));
                }
            }
        }

        Assert.Equal(FieldKind.Ordinary, FieldKinds.Of(default));
        for (var c = 'a'; c <= 'z'; c++)
        {
            Assert.Equal(s_known.Any(known => known.Name[0] == c), FieldKinds.MayBegin((byte)c));
            Assert.Equal(FieldKinds.MayBegin((byte)c), FieldKinds.MayBegin((byte)char.ToUpperInvariant(c)));
        }
    }

    [Fact]
    public void Lines_are_split_as_a_plain_reading_of_the_grammar_splits_them()
    {
        var alphabet = "aZ09-_!~ \t\0\r\n\u007F\u0080\u00FF\"(,/;@[{"u8.ToArray().Select(static b => (char)b).Append(':').Append(':').Append('\u00FF').ToArray();
        var random = new Random(4712);
        var taken = 0;
        for (var round = 0; round < 100_000; round++)
        {
            // Mostly letters, so that most lines are nearly right.
            var text = new StringBuilder();
            for (var i = random.Next(1, 50); i > 0; i--)
            {
                text.Append(random.Next(12) == 0 ? alphabet[random.Next(alphabet.Length)] : (char)random.Next('a', 'z' + 1));
            }

            text.Insert(random.Next(text.Length), random.Next(2) == 0 ? ": " : ":");
            var expected = Plain(text.ToString());
            Assert.Equal(expected, Split(text.ToString()));
            taken += expected is null ? 0 : 1;
        }

        Assert.InRange(taken, 1_000, 99_000);
    }

    private static (string Name, string Value)? Plain(string line)
    {
        var colon = line.IndexOf(':');
        var (name, value) = (line[..colon], line[(colon + 1)..].Trim(' ', '\t'));
        return name.Length > 0 && name.All(HttpSyntax.IsToken) && value.All(HttpSyntax.IsFieldValue) ? (name, value) : null;
    }

    private static (string Name, string Value)? Split(string line)
    {
        try
        {
            FieldLine.Split(Encoding.Latin1.GetBytes(line), out var name, out var value);
            return (Encoding.Latin1.GetString(name), Encoding.Latin1.GetString(value));
        }
        catch (Http1Exception e)
        {
            Assert.Equal(400, e.Status);
            return null;
        }
    }
}
