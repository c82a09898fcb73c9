using System.Globalization;
using System.Text;
using Ambient.Node.Discovery.Documents;
using Ambient.Testing;
using Ambient.Testing.Fuzzing;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Ambient.Node.Tests.Discovery;

/// <summary>What YAML says: legal text of every kind, text that is not, and a second opinion on real files.</summary>
public sealed class YamlParserTests
{
    [Theory]
    [InlineData("a: b\nc: d\n", "{a b c d}")]
    [InlineData("a:\n- b\n- c\nd:\n", "{a [b c] d <>}")]
    [InlineData("- - a\n  - b\n-\n- c: d\n  e: f\n", "[[a b] <> {c d e f}]")]
    [InlineData("a: {b: c, \"d\":e, f, 'g': , h: [i, j: k, -, -l]}", "{a {b c 'd' e f <> 'g' <> h [i {j k} - -l]}}")]
    [InlineData("a: {\nb: [\nc\n]}\n", "{a {b [c]}}")]
    [InlineData("a: [b]#c\nd: \"e\"#f\n", "{a [b] d 'e'}")]
    [InlineData("? a\n: b\n? c\n", "{a b c <>}")]
    [InlineData("? - a\n: - b\n", "{[a] [b]}")]
    [InlineData("[a]: b\n{c: d}: e\n", "{[a] b {c d} e}")]
    [InlineData(": a\n", "{<> a}")]
    [InlineData("a: b c\n  d\n\n  e\n", "{a b c d\\ne}")]
    [InlineData("a: b  \n  c\n", "{a b c}")]
    [InlineData("a: b#c # d\n", "{a b#c}")]
    [InlineData("a: http://b:80/c?d=e&f\n", "{a http://b:80/c?d=e&f}")]
    [InlineData("a: ::1\n", "{a ::1}")]
    [InlineData("a: -1\nb: -\n  c\n", null)]
    [InlineData("a: 'b\n\n  c  \n  d'\n", "{a 'b\\nc d'}")]
    [InlineData("a: \"b\\\n   c\\n \\\n  d\"\n", "{a 'bc\\n d'}")]
    [InlineData("a: \"\\x41\\u00e9\\ud83d\\ude00\\U0001F600\\/\\t\"\n", "{a 'A\u00e9\U0001F600\U0001F600/\t'}")]
    [InlineData("a: 'it''s'\n", "{a 'it's'}")]
    [InlineData("a: |\n  b\n   c\n\n  d\n\n", "{a 'b\\n c\\n\\nd\\n'}")]
    [InlineData("a: |-\n  \n  b\nc: |+\n  d\n\ne: f\n", "{a '\\nb' c 'd\\n\\n' e f}")]
    [InlineData("a: >\n  b\n  c\n\n  d\n   e\n  f\n", "{a 'b c\\nd\\n e\\nf\\n'}")]
    [InlineData("a: |2\n    b\n", "{a '  b\\n'}")]
    [InlineData("a: |\n      \n  b: c\n", "{a '\\nb: c\\n'}")]
    [InlineData("a: |\n      \nb: c\n", "{a '' b c}")]
    [InlineData("a: |+\n  \n", "{a '\\n'}")]
    [InlineData("- |\n  \n  a\n- >-\n\n  b\n", "['\\na\\n' '\\nb']")]
    [InlineData("a: |\n  b\n\t\n  c\n", "{a 'b\\n\\nc\\n'}")]
    [InlineData("a: |\n  b\n # a comment\nc: d\n", "{a 'b\\n' c d}")]
    [InlineData("a: |", "{a ''}")]
    [InlineData("a: b\r\nc: |\r\n  d\r\n  \r\n  e\r\n", "{a b c 'd\\n\\ne\\n'}")]
    [InlineData("a: b\n\t\nc: d\n\t# e\n", "{a b c d}")]
    [InlineData("{\n\t\"a\": [\n\t\t1\n\t]\n}\n", "{'a' [1]}")]
    [InlineData("a: &x b\nc: *x\n*x : d\n&y e: f\n", "{a &x b c *x *x d &y e f}")]
    [InlineData("a: &x\n  b: c\nd: &y\n- e\nf: &z\n", "{a &x {b c} d &y [e] f &z <>}")]
    [InlineData("a: !!str 1\nb: !Ref c\nd: !!map\n  e: f\n", "{a !!str 1 b !Ref c d !!map {e f}}")]
    [InlineData("\ufeffa: b\n---\n\ufeffc: d\n", "{a b} {c d}")]
    [InlineData("a: b\n\ufeff---\nc: d\n", "{a b} {c d}")]
    [InlineData("# a\n--- # b\na: b\n...\n---\n# c\n---\nd\n", "{a b} <> d")]
    [InlineData("%YAML 1.2\n%TAG ! x\n---\na: b\n%YAML 1.1\n---\nc\n", "{a b} c")]
    [InlineData("--- {a: b}\n--- |\n  c\n--- 'd'\n", "{a b} 'c\\n' 'd'")]
    [InlineData("--- a # b\n--- c\n", "a c")]
    [InlineData("a\nb\n\nc\n", "a b\\nc")]
    [InlineData("", "")]
    [InlineData("# only\n", "")]
    public void Text_Legal_IsRead(string yaml, string? expected)
    {
        if (expected is null)
        {
            Assert.Throws<YamlReadException>(() => Text(yaml));
        }
        else
        {
            Assert.Equal(expected, Text(yaml));
        }
    }

    [Theory]
    [InlineData("a: b: c\n", 1, "not allowed here")]
    [InlineData("a: - b\n", 1, "not allowed here")]
    [InlineData("a: b\n  c: d\n", 2, "not allowed here")]
    [InlineData("a:\n  b: c\n d: e\n", 3, "indentation")]
    [InlineData("a: b\nc\n", 2, "a key and a colon")]
    [InlineData("a:\n\tb: c\n", 2, "a tab cannot indent")]
    [InlineData("- a\nb: c\n", 2, "the document has ended")]
    [InlineData("a: [b, c\n", 2, "not closed")]
    [InlineData("a: [b}\n", 1, "expected ',' or ']'")]
    [InlineData("a: {b: c]\n", 1, "expected ',' or '}'")]
    [InlineData("a: [,]\n", 1, "expected a value")]
    [InlineData("a: \"b\nc: d\n", 1, "the quote is not closed")]
    [InlineData("a: 'b\n---\n", 1, "the quote is not closed")]
    [InlineData("a: \"\\d\"\n", 1, "not a known escape")]
    [InlineData("a: \"\\ud800\"\n", 1, "Unicode")]
    [InlineData("a: \"\\xzz\"\n", 1, "hexadecimal")]
    [InlineData("a: @b\n", 1, "cannot begin a value")]
    [InlineData("a: %b\n", 1, "cannot begin a value")]
    [InlineData("a: *\n", 1, "the name of an anchor")]
    [InlineData("a: |b\n", 1, "begins on the next line")]
    [InlineData("{{ .Values.a }}: b\n", 1, "")]
    [InlineData("{{- if .x }}\na: b\n", 1, "cannot begin a value")]
    [InlineData("%YAML 1.2\na: b\n", 2, "expected ---")]
    public void Text_Broken_IsRefusedWithItsLine(string yaml, int line, string message)
    {
        var e = Assert.Throws<YamlReadException>(() =>
        {
            var reader = new YamlReader(new StringReader(yaml), YamlLimits.Manifests);
            while (reader.NextDocument())
            {
                reader.ReadNode();
            }
        });
        Assert.Equal(line, e.Line);
        Assert.Contains(message, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Files_OfRealFolders_SayWhatAnotherReaderMakesOfThem()
    {
        var folders = new[] { Path.Combine("tests", "Ambient.Node.Tests", "Discovery", "Folders"), Path.Combine("samples", "Bookinfo", "k8s") };
        var compared = 0;
        foreach (var file in folders.SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), "*.y*ml", SearchOption.AllDirectories)))
        {
            var text = File.ReadAllText(file);
            if (OfAnotherReader(text) is { } expected)
            {
                Assert.Equal(expected, Text(text));
                compared++;
            }
        }

        Assert.True(compared >= 15, $"{compared} files");
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public void Documents_WrittenInAnyStyle_AreReadAsTheyWereMeant() => FuzzBudget.Run(2_000, random =>
    {
        var (meant, written) = (new StringBuilder(), new StringBuilder());
        WriteBlock(random, 0, 0, meant, written, compact: false);
        try
        {
            Assert.Equal(meant.ToString(), Text(written.ToString()));
        }
        catch (YamlReadException e)
        {
            Assert.Fail($"{e.Line}:{e.Column} {e.Message}\n{written}");
        }
    });

    [Fact]
    public void Blanks_Many_AreReadInLinearTime()
    {
        // Looking ahead over the same blanks for each of them would take hours.
        var blanks = new string(' ', 4 << 20);
        Assert.Equal($"{{a b{blanks}c}}", Text($"a: b{blanks}c\n"));
        Assert.Equal("{a b}", Text($"a: b{blanks}\n"));
        Assert.Equal("{a 'b'}", Text($"a: 'b{blanks}\n'{blanks}".Replace("\n'", "'", StringComparison.Ordinal).Replace($"b{blanks}'", "b'", StringComparison.Ordinal)));
        Assert.Equal("{a [b c]}", Text($"a: [b{blanks},{blanks}c]"));
    }

    /// <summary>Writes a random mapping or sequence in block style, whose first line the caller has indented.</summary>
    private static void WriteBlock(Random random, int indent, int depth, StringBuilder meant, StringBuilder written, bool compact)
    {
        var isSequence = random.Next(3) == 0;
        var count = random.Next(1, 4);
        meant.Append(isSequence ? '[' : '{');
        for (var i = 0; i < count; i++)
        {
            if (i > 0 || !compact)
            {
                // Behind a block scalar that keeps its line ends a blank line would be one more of them.
                var isKept = written.Length > 1 && written[^2] == '\n';
                written.Append(!isKept && random.Next(6) == 0 ? "\n" : "").Append(random.Next(8) == 0 ? "# a comment: of [ some\n" : "").Append(' ', indent);
            }

            meant.Append(i > 0 ? " " : "");
            if (isSequence)
            {
                written.Append('-');
            }
            else
            {
                var key = $"k{i.ToString(CultureInfo.InvariantCulture)}";
                var quoted = random.Next(4) == 0;
                meant.Append(quoted ? $"'{key}' " : $"{key} ");
                written.Append(quoted ? $"\"{key}\"" : key).Append(random.Next(5) == 0 ? " :" : ":");
            }

            if (depth < 4 && random.Next(3) == 0)
            {
                var inner = indent + random.Next(1, 4);
                if (isSequence && random.Next(2) == 0)
                {
                    written.Append(' ', inner - indent);
                    WriteBlock(random, inner + 1, depth + 1, meant, written, compact: true);
                }
                else
                {
                    written.Append('\n');
                    WriteBlock(random, inner, depth + 1, meant, written, compact: false);
                }
            }
            else
            {
                written.Append(' ');
                WriteValue(random, indent, meant, written);
            }
        }

        meant.Append(isSequence ? ']' : '}');
    }

    private static void WriteValue(Random random, int indent, StringBuilder meant, StringBuilder written)
    {
        switch (random.Next(6))
        {
            case 0:
                meant.Append("<>");
                written.Append('\n');
                break;
            case 1:
                meant.Append("'x: #\\n y'");
                written.Append(random.Next(2) == 0 ? "\"x: #\\n y\"" : $"\"x: #\\n\\\n{new string(' ', random.Next(indent + 4))}\\ y\"").Append('\n');
                break;
            case 2:
                meant.Append("[a 'b' {c d}]");
                written.Append(random.Next(2) == 0 ? "[a, 'b', {c: d}]" : $"[a,\n{new string(' ', random.Next(indent + 4))}\"b\" , # e\n {{ c :\td, }}\n]").Append('\n');
                break;
            case 3:
                WriteLines(random, indent + random.Next(1, 4), meant, written);
                break;
            case 4:
                meant.Append("a b-c d");
                written.Append($"a b-c\n{new string(' ', indent + random.Next(1, 4))}d").Append(random.Next(2) == 0 ? " # e" : "").Append('\n');
                break;
            default:
                meant.Append("x:y#z");
                written.Append("x:y#z").Append(random.Next(2) == 0 ? "  \t" : "").Append('\n');
                break;
        }
    }

    private static void WriteLines(Random random, int indent, StringBuilder meant, StringBuilder written)
    {
        var chomp = "-+ "[random.Next(3)];
        written.Append($"|{chomp}".TrimEnd()).Append('\n');
        meant.Append('\'');
        for (var blank = random.Next(3); blank > 0; blank--)
        {
            written.Append(' ', random.Next(indent + 1)).Append('\n');
            meant.Append("\\n");
        }

        for (var line = random.Next(1, 4); line > 0; line--)
        {
            var text = line == 1 || random.Next(3) > 0 ? "a: [ #" : "";
            written.Append(text.Length > 0 ? new string(' ', indent) : "").Append(text).Append('\n');
            meant.Append(text).Append(line > 1 || chomp != '-' ? "\\n" : "");
        }

        if (chomp == '+')
        {
            written.Append('\n');
            meant.Append("\\n");
        }

        meant.Append('\'');
    }

    /// <summary>What our reader makes of a text.</summary>
    private static string Text(string yaml)
    {
        var parser = new Ambient.Node.Discovery.Documents.YamlParser(new StringReader(yaml));
        var text = new StringBuilder();
        do
        {
            parser.MoveNext();
            var step = parser.Current;
            var properties = $"{(step.Anchor is null ? "" : $"&{step.Anchor} ")}{(step.Tag is null ? "" : $"{step.Tag} ")}";
            Append(text, step.Kind.ToString(), properties, step.Text, step.IsPlain);
        }
        while (parser.Current.Kind != YamlEventKind.StreamEnd);
        return text.ToString();
    }

    /// <summary>What another reader makes of it, or null where that refuses it.</summary>
    private static string? OfAnotherReader(string yaml)
    {
        var parser = new Parser(new Scanner(new StringReader(yaml), skipComments: true));
        var text = new StringBuilder();
        try
        {
            while (parser.MoveNext())
            {
                var node = parser.Current as NodeEvent;
                var properties = $"{(node is null or { Anchor.IsEmpty: true } ? "" : $"&{node.Anchor.Value} ")}{(node is null or { Tag.IsEmpty: true } ? "" : $"{node.Tag.Value.Replace("tag:yaml.org,2002:", "!!", StringComparison.Ordinal)} ")}";
                var scalar = parser.Current as YamlDotNet.Core.Events.Scalar;
                Append(text, parser.Current!.GetType().Name.Replace("AnchorAlias", "Alias", StringComparison.Ordinal), properties, scalar?.Value ?? (parser.Current as AnchorAlias)?.Value.Value ?? "", scalar?.Style == ScalarStyle.Plain);
            }
        }
        catch (YamlException)
        {
            return null;
        }

        return text.ToString();
    }

    private static void Append(StringBuilder text, string kind, string properties, string value, bool plain)
    {
        var escaped = value.Replace("\n", "\\n", StringComparison.Ordinal);
        var step = kind switch
        {
            "MappingStart" => properties + "{",
            "SequenceStart" => properties + "[",
            "MappingEnd" => "}",
            "SequenceEnd" => "]",
            "Scalar" => properties + (!plain ? $"'{escaped}'" : value.Length == 0 ? "<>" : escaped),
            "Alias" => "*" + value,
            _ => "",
        };
        if (step.Length > 0)
        {
            text.Append(text.Length > 0 && step is not ("}" or "]") && text[^1] is not ('{' or '[') ? " " : "").Append(step);
        }
    }
}
