using System.Text.RegularExpressions;
using Ambient.Testing;

namespace Ambient.EndToEnd.Tests.Docs;

/// <summary>Documentation that names a test must name one that is there: a class, or a method of one.</summary>
public sealed partial class NamedTestTests
{
    private static readonly string[] s_sources = [.. Directory.EnumerateFiles(Path.Combine(Repository.Root, "tests"), "*.cs", SearchOption.AllDirectories)
        .Where(static file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal)).Select(File.ReadAllText)];

    public static TheoryData<string> Documents => [.. Directory.EnumerateFiles(Path.Combine(Repository.Root, "docs"), "*.md").Select(static file => Path.GetFileName(file))];

    [Theory]
    [MemberData(nameof(Documents))]
    public void Document_TestsInBackticks_Exist(string document)
    {
        var named = Named().Matches(File.ReadAllText(Path.Combine(Repository.Root, "docs", document))).Select(static match => (Class: match.Groups[1].Value, Method: match.Groups[2].Value)).Distinct();

        Assert.DoesNotContain(named, static test => !Exists(test.Class, test.Method));
    }

    [Theory]
    [InlineData("`NamedTestTests`", "NamedTestTests", "", true)]
    [InlineData("`NamedTestTests.Document_TestsInBackticks_Exist`", "NamedTestTests", "Document_TestsInBackticks_Exist", true)]
    [InlineData("`NamedTestTests.Document`", "NamedTestTests", "Document", false)]
    [InlineData("`NobodysTests`", "NobodysTests", "", false)]
    public void Name_IsFound(string text, string type, string method, bool exists)
    {
        var match = Named().Match(text);
        Assert.Equal((type, method), (match.Groups[1].Value, match.Groups[2].Value));
        Assert.Equal(exists, Exists(type, method));
    }

    /// <summary>Every point of the chapter names one at least.</summary>
    [Fact]
    public void EveryRow_OfWhatIsTested_NamesATest()
    {
        var text = File.ReadAllText(Path.Combine(Repository.Root, "docs", "protocol.md"));
        var chapter = text[text.IndexOf("\n## What is tested where\n", StringComparison.Ordinal)..];
        var rows = chapter.Split('\n').Where(static line => line.StartsWith("| ", StringComparison.Ordinal) && !line.StartsWith("| What", StringComparison.Ordinal)).ToArray();
        Assert.True(rows.Length > 30, $"{rows.Length} rows");
        Assert.DoesNotContain(rows, static row => !Named().IsMatch(row));
    }

    private static bool Exists(string type, string method)
    {
        var inType = s_sources.Where(source => Regex.IsMatch(source, $@"\bclass {type}\b")).ToArray();
        return inType.Length > 0 && (method.Length == 0 || inType.Any(source => Regex.IsMatch(source, $@"^ *public .*\b{method}\(", RegexOptions.Multiline)));
    }

    [GeneratedRegex(@"`([A-Z]\w*Tests)(?:\.(\w+))?`")]
    private static partial Regex Named();
}
