using Ambient.Http;

namespace Ambient.Core.Tests.Http;

public sealed class HttpFieldsTests
{
    [Fact]
    public void Fields_keep_their_order_and_their_names_are_in_lower_case()
    {
        var fields = Of(("X-One", "1"), ("Accept", " text/html\t"), ("x-ONE", ""));
        fields.Add("X-Bytes"u8, "\u00e9"u8);
        Assert.Equal("x-one: 1|accept: text/html|x-one: |x-bytes: Ã©|", Lines(fields));
        Assert.Equal((4, 5 + 1 + 6 + 9 + 5 + 7 + 2), (fields.Count, fields.Size));
        Assert.Equal((0, 2, -1), (fields.IndexOf("X-One"), fields.IndexOf("x-one", 1), fields.IndexOf("x-on")));
        Assert.Equal(("1,", null, true, false), (fields.Get("x-One"), fields.Get("x"), fields.Contains("ACCEPT"), fields.Contains("accep")));
        Assert.True(fields.TryGet("accept", out var value));
        Assert.Equal("text/html"u8, value);
        Assert.False(fields.TryGet("x", out _));
    }

    [Fact]
    public void Set_replaces_all_of_a_name_in_the_place_of_the_first()
    {
        var fields = Of(("a", "1"), ("b", "2"), ("A", "3"), ("c", "4"), ("a", "5"));
        fields.Set("A", "6");
        fields.Set("d", "7");
        Assert.Equal("a: 6|b: 2|c: 4|d: 7|", Lines(fields));
        Assert.Equal(8, fields.Size);
    }

    [Fact]
    public void Set_of_bytes_replaces_as_that_of_text_does()
    {
        var fields = Of(("a", "1"), ("b", "2"), ("A", "3"), ("c", "4"), ("a", "5"));
        fields.Set("a"u8, "66"u8);
        fields.Set("d"u8, "7"u8);
        Assert.Equal("a: 66|b: 2|c: 4|d: 7|", Lines(fields));
        Assert.Equal(9, fields.Size);
        fields.Clear();
        fields.Set("a"u8, ""u8);
        Assert.Equal("a: |", Lines(fields));
    }

    [Fact]
    public void Remove_takes_every_field_of_a_name()
    {
        var fields = Of(("a", "1"), ("b", "2"), ("A", "3"), ("bc", "4"), ("a", "5"));
        Assert.True(fields.Remove("A"));
        Assert.False(fields.Remove("a"));
        Assert.Equal("b: 2|bc: 4|", Lines(fields));
        fields.Add("B", "5");
        fields.Remove("B"u8);
        Assert.Equal("bc: 4|", Lines(fields));
        Assert.Equal(3, fields.Size);
        Assert.Throws<ArgumentOutOfRangeException>(() => fields.RemoveAt(1));
        Assert.Throws<ArgumentOutOfRangeException>(() => fields[1].NameText);
    }

    [Theory]
    [InlineData("", "x")]
    [InlineData("a b", "x")]
    [InlineData("a:", "x")]
    [InlineData("\u00E9", "x")]
    [InlineData("\u0130", "x")]
    [InlineData("a\r\nb", "x")]
    [InlineData("a", "x\r\ny: z")]
    [InlineData("a", "x\ny")]
    [InlineData("a", "\0")]
    [InlineData("a", "\u007F")]
    [InlineData("a", "\u0100")]
    public void What_no_head_may_have_is_not_added(string name, string value)
    {
        var fields = new HttpFields();
        Assert.Throws<ArgumentException>(() => fields.Add(name, value));
        Assert.Throws<ArgumentException>(() => fields.Set(name, value));
        Assert.Equal(0, fields.Count);
    }

    [Fact]
    public void A_list_is_used_again_and_takes_over_another()
    {
        var fields = Of(("a", new string('x', 10_000)));
        fields.Clear();
        Assert.Equal((0, 0), (fields.Count, fields.Size));
        var other = Of(("b", "1"), ("c", "2"));
        fields.CopyFrom(other);
        other.Clear();
        Assert.Equal("b: 1|c: 2|", Lines(fields));
    }

    private static HttpFields Of(params (string Name, string Value)[] all)
    {
        var fields = new HttpFields();
        foreach (var (name, value) in all)
        {
            fields.Add(name, value);
        }

        return fields;
    }

    private static string Lines(HttpFields fields) => string.Concat(Enumerable.Range(0, fields.Count).Select(i => $"{fields[i].NameText}: {fields[i].ValueText}|"));

    [Fact]
    public void A_list_does_what_a_plain_list_of_pairs_does_whatever_is_done_to_it()
    {
        string[] names = ["a", "b", "accept", "Accept", "cookie", "x-a", "x-b", "X-A"];
        var random = new Random(4711);
        var fields = new HttpFields();
        var other = new HttpFields();
        List<(string Name, string Value)> expected = [];
        for (var round = 0; round < 20_000; round++)
        {
            var name = names[random.Next(names.Length)];
            var lower = name.ToLowerInvariant();
            var value = new string('v', random.Next(random.Next(20) == 0 ? 5000 : 12));
            switch (random.Next(10))
            {
                case 0 or 1:
                    fields.Add(name, value);
                    expected.Add((lower, value));
                    break;
                case 2:
                    fields.Add(System.Text.Encoding.ASCII.GetBytes(name), System.Text.Encoding.ASCII.GetBytes(value));
                    expected.Add((lower, value));
                    break;
                case 3 or 4 or 8 or 9:
                    if (random.Next(2) == 0)
                    {
                        fields.Set(name, value);
                    }
                    else
                    {
                        fields.Set(System.Text.Encoding.ASCII.GetBytes(name), System.Text.Encoding.ASCII.GetBytes(value));
                    }

                    var at = expected.FindIndex(pair => pair.Name == lower);
                    expected.RemoveAll(pair => pair.Name == lower);
                    expected.Insert(at < 0 ? expected.Count : at, (lower, value));
                    break;
                case 5:
                    Assert.Equal(expected.RemoveAll(pair => pair.Name == lower) > 0, fields.Remove(name));
                    break;
                case 6:
                    // What is copied stands by itself, with whatever the list had removed before.
                    other.CopyFrom(fields);
                    fields.Clear();
                    (fields, other) = (other, fields);
                    break;
                default:
                    if (expected.Count > 20)
                    {
                        fields.Clear();
                        expected.Clear();
                    }

                    break;
            }

            Assert.Equal(expected.Count, fields.Count);
            Assert.Equal(expected.Sum(static pair => pair.Name.Length + pair.Value.Length), fields.Size);
            Assert.Equal(expected.FindIndex(pair => pair.Name == lower), fields.IndexOf(name));
            for (var i = 0; i < expected.Count; i++)
            {
                Assert.Equal(expected[i], (System.Text.Encoding.ASCII.GetString(fields[i].Name), fields[i].ValueText));
                Assert.Equal($"{expected[i].Name}: {expected[i].Value}\r\n", System.Text.Encoding.Latin1.GetString(fields.Line(i)));
            }
        }
    }

    [Fact]
    public void Every_letter_of_a_name_is_in_lower_case_and_nothing_else_is_changed()
    {
        var fields = new HttpFields();
        for (var length = 1; length <= 40; length++)
        {
            for (var c = '!'; c <= '~'; c++)
            {
                for (var at = 0; at < length; at++)
                {
                    var name = string.Create(length, (c, at), static (text, of) =>
                    {
                        text.Fill('M');
                        text[of.at] = of.c;
                    });
                    fields.Clear();
                    fields.Add(System.Text.Encoding.ASCII.GetBytes(name), "v"u8);
                    Assert.Equal(name.ToLowerInvariant(), fields[0].NameText);
                }
            }
        }
    }

    [Fact]
    public void A_value_of_the_list_itself_may_take_the_place_of_another()
    {
        var fields = new HttpFields();
        fields.Add("a", "0123456789");
        fields.Add("b", "xyz");
        fields.Set("a"u8, fields[1].Value);
        fields.Set("b"u8, fields[1].Value[1..]);
        Assert.Equal("a: xyz|b: yz|", Lines(fields));
        fields.Set("a"u8, default);
        Assert.Equal("a: |b: yz|", Lines(fields));
        Assert.Equal("a: \r\n"u8, fields.Line(0));
        Assert.Equal(4, fields.Size);
    }

    [Fact]
    public void A_field_is_a_line_of_HTTP_1_1()
    {
        var fields = Of(("X-One", " \u00e9 ~ "), ("b", ""));
        fields.Set("b", "2");
        fields.Add("C"u8, "3"u8);
        Assert.Equal("x-one: \u00e9 ~\r\n", System.Text.Encoding.Latin1.GetString(fields.Line(0)));
        Assert.Equal("b: 2\r\n"u8, fields.Line(1));
        Assert.Equal("c: 3\r\n"u8, fields.Line(2));
        Assert.Throws<ArgumentOutOfRangeException>(() => fields.Line(3).Length);
    }

    [Fact]
    public void A_field_that_is_refused_leaves_the_list_as_it_was()
    {
        var fields = new HttpFields();
        fields.Add("a", "1");
        Assert.Throws<ArgumentException>(() => fields.Add("b", "x\n"));
        Assert.Throws<ArgumentException>(() => fields.Add("b c", "x"));
        fields.Add("d", "2");
        Assert.Equal(2, fields.Count);
        Assert.Equal(4, fields.Size);
        Assert.Equal("2", fields.Get("d"));
    }
}
