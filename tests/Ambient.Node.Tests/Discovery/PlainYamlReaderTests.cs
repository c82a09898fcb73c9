using System.Globalization;
using System.Text;
using Ambient.Node.Discovery.Documents;
using Xunit;

namespace Ambient.Node.Tests.Discovery;

/// <summary>The quick reader makes the nodes that the whole one makes, or leaves the text to it.</summary>
public sealed class PlainYamlReaderTests
{
    private static readonly YamlLimits s_limits = new(1 << 20, 10, 10_000, 12);

    private static readonly string[] s_pieces =
    [
        "a: 1", "name: x", "\"q\": 'v'", "- a", "- k: v", "-  k: v", "- - b", "a:", "b: # c", "ports: {80: 8080}", "l: [a, 'b', \"c d\"]", "e: []", "o: {}",
        "x: !Exact abc", "- !Prefix 'p'", "# comment", "", "   ", "t: true # yes", "n: null", "u: ~", "c: a#b", "m: a: b", "v: a:b", "ip: fd00::1", "- {a: b, c: [1, 2]}",
        "w: a b  c ", "- ", "-", "p: |", "f: >", "&a b: c", "al: *a", "? k", "---", "...", "q: 'it''s'", "d: \"a\\n\"", "s: \"open", "[a, b]: c", "80: 90", "ns/h.x: y", "<<: {a: b}",
        "k: [a, b,]", "k: [a", "k: {a: b, a: c}", "- !Presence []", "\tt: a", "ü: ö", "a: ö", "e: a\t", "@x: y", "x: @y", "x: -1", "x: - 1", "x: --- 2", "%d: e", "- -1", "z: .5", "z: 0x1f",
        "a : b", "a: 'b' c", "a: b 'c'", "- 'k': v", "- \"k\"", "r: [[], {}]", "r: { a: b }", "r: [ a , b ]", "!t k: v", "g: +1", "g: (x)", "g: a,b", "g: a]b", "h: a {b}", "s: [!Exact a, !Prefix 'b', !Presence []]", "s: [!Exact]", "s: [!a-b c]", "s: !Exact", "- !X a: b",
    ];

    [Theory]
    [InlineData("workloads:\n- uid: a//b\n  name: \"\"\n  workloadIps: [\"10.0.0.1\"]\n  services:\n    ns/h.x:\n      80: 8080\n  locality:\nservices: []\n")]
    [InlineData("policies:\n  - name: a\n    rules:\n      - - - namespaces: [!Exact a]\n            principals:\n            - !Prefix x\n            - !Presence []\n")]
    [InlineData("# only\n\na:\n# between\n   - 1\n   -   b: c # d\n       e: f\r\nlast: x")]
    public void Read_WhatProgramsWrite_IsReadQuickly(string text)
    {
        Assert.NotNull(Quick(text));
        Assert.Equal(Whole(text), Quick(text));
    }

    [Theory]
    [InlineData("a: |\n  text")]
    [InlineData("a: b\n  c")]
    [InlineData("a: &x b\nc: *x")]
    [InlineData("a: b\na: c")]
    [InlineData("a:\n  b: c\n d: e")]
    [InlineData("a: b\n---\nc: d")]
    [InlineData("{\"a\": 1}")]
    [InlineData("a:\tb")]
    public void Read_WhatIsBeyondIt_IsLeftToTheWholeReader(string text) => Assert.Null(Quick(text));

    [Fact]
    public void Read_DeeperOrMoreThanTheLimits_IsLeftToTheWholeReader()
    {
        Assert.Null(Quick("a: " + new string('[', 13) + new string(']', 13)));
        Assert.Null(Quick("a:\n" + string.Concat(Enumerable.Repeat("- x\n", 10_001))));
        Assert.Null(Quick("a: " + new string('x', 1001)));
    }

    [Fact]
    public void Read_AnyLines_IsTheSameTreeOrNone()
    {
        var quick = 0;
        for (var seed = 0; seed < 60_000; seed++)
        {
            var text = Lines(new Random(seed));
            if (Quick(text) is { } tree)
            {
                quick++;
                Assert.True(tree == Whole(text), $"seed {seed}:\n{text}\nquick: {tree}\nwhole: {Whole(text)}");
            }
        }

        Assert.True(quick > 1_000, $"only {quick} were read quickly");
    }

    private static string Lines(Random random)
    {
        var text = new StringBuilder();
        var indent = 0;
        for (var lines = random.Next(1, 7); lines > 0; lines--)
        {
            indent = Math.Max(0, indent + random.Next(5) switch { 0 => -2, 1 => 2, 2 => random.Next(-1, 2), _ => 0 });
            text.Append(' ', indent).Append(s_pieces[random.Next(s_pieces.Length)]).Append(random.Next(20) == 0 ? "\r\n" : "\n");
        }

        return text.ToString();
    }

    private static string? Quick(string text)
    {
        try
        {
            return Tree(new PlainYamlReader(new StringReader(text), s_limits));
        }
        catch (PlainYamlException)
        {
            return null;
        }
    }

    private static string Whole(string text)
    {
        try
        {
            return Tree(new YamlReader(new StringReader(text), s_limits));
        }
        catch (YamlReadException e)
        {
            return e.Message;
        }
    }

    private static string Tree(IYamlReader reader)
    {
        var tree = new StringBuilder();
        while (reader.NextDocument())
        {
            Write(tree, reader.ReadNode());
            tree.Append(" end ");
        }

        return tree.ToString();
    }

    private static void Write(StringBuilder tree, YamlNode node)
    {
        // Places are not compared: a text with errors is read again by the whole reader, and only its places are ever told.
        tree.Append(CultureInfo.InvariantCulture, $"@{node.Size}");
        switch (node)
        {
            case YamlScalar scalar:
                tree.Append(scalar.IsPlain ? '=' : '"').Append(scalar.Tag).Append('|').Append(scalar.Value).Append('|');
                break;
            case YamlSequence list:
                tree.Append(list.Tag).Append('[');
                list.Items.ForEach(item => Write(tree, item));
                tree.Append(']');
                break;
            case YamlMapping map:
                tree.Append('{');
                foreach (var (key, value) in map.Entries)
                {
                    Write(tree, key);
                    Write(tree, value);
                }

                tree.Append('}');
                break;
        }
    }
}
