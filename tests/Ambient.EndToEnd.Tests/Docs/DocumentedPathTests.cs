using System.Text.RegularExpressions;
using Ambient.Testing;

namespace Ambient.EndToEnd.Tests.Docs;

/// <summary>Documentation that names a file must name one that is there.</summary>
public sealed partial class DocumentedPathTests
{
    [Theory]
    [InlineData("docs/architecture.md")]
    [InlineData("docs/operations.md")]
    [InlineData("docs/security.md")]
    [InlineData("docs/compatibility.md")]
    [InlineData("docs/performance.md")]
    [InlineData("docs/protocol.md")]
    [InlineData("README.md")]
    public void Document_PathsInBackticks_Exist(string document)
    {
        var root = Repository.Root;
        var text = File.ReadAllText(Path.Combine(root, document));
        var paths = PathInBackticks().Matches(text).Select(match => match.Groups[1].Value.TrimEnd('/')).Distinct();

        var missing = paths.Where(path => !Path.Exists(Path.Combine(root, path)));

        Assert.Empty(missing);
    }

    /// <summary>A test that a page names, alone or with one of its methods, is there.</summary>
    [Theory]
    [InlineData("docs/security.md")]
    [InlineData("docs/protocol.md")]
    public void Document_TestsInBackticks_Exist(string document)
    {
        var sources = Directory.EnumerateFiles(Path.Combine(Repository.Root, "tests"), "*Tests.cs", SearchOption.AllDirectories)
            .ToLookup(file => Path.GetFileNameWithoutExtension(file), File.ReadAllText);
        var named = TestInBackticks().Matches(File.ReadAllText(Path.Combine(Repository.Root, document)));

        Assert.NotEmpty(named);
        Assert.Empty(named.Where(match => !sources[match.Groups[1].Value].Any(text =>
            match.Groups[2].Length == 0 || text.Contains($" {match.Groups[2].Value}(", StringComparison.Ordinal))).Select(match => match.Value));
    }

    [GeneratedRegex("`([A-Za-z0-9]+Tests)(?:\\.([A-Za-z0-9_]+))?`")]
    private static partial Regex TestInBackticks();

    [GeneratedRegex("`((?:src|samples|tests|docs)/[^`\\s*{<]+)`")]
    private static partial Regex PathInBackticks();
}
