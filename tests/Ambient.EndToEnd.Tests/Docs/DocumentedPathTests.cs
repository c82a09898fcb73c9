using System.Text.RegularExpressions;

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

    [GeneratedRegex("`((?:src|samples|tests|docs)/[^`\\s*{<]+)`")]
    private static partial Regex PathInBackticks();
}
