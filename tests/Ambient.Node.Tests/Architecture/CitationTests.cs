using System.Text.RegularExpressions;
using Ambient.Testing;

namespace Ambient.Node.Tests.Architecture;

/// <summary>
/// What a comment cites can be looked up by whoever reads it: an RFC, Istio's documentation or sources, a page of docs. Files that once lay
/// beside this repository cannot.
/// </summary>
public sealed partial class CitationTests
{
    private static readonly string[] s_folders = ["src", "samples", "tests"];
    private static readonly string[] s_endings = [".cs", ".csproj", ".props", ".yaml", ".md", ".sh", ".txt", ".proto"];

    [Fact]
    public void NoFile_CitesWhatIsNotInTheRepository()
    {
        var cited = s_folders.SelectMany(static folder => Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), "*", SearchOption.AllDirectories))
            .Where(static file => s_endings.Contains(Path.GetExtension(file), StringComparer.Ordinal)
                && !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal))
            .SelectMany(static file => File.ReadLines(file).Select((line, i) => (Place: $"{file}:{i + 1}", Line: line)))
            .Where(static line => Outside().IsMatch(line.Line))
            .Select(static line => line.Place)
            .ToArray();

        Assert.Empty(cited);
    }

    [Theory]
    [InlineData("see reference" + "/ztunnel.md 3.4", true)]
    [InlineData(".." + "/shared/cases", true)]
    [InlineData("(docs/protocol.md, xDS)", false)]
    [InlineData("docs/reference-cases.md", false)]
    [InlineData("https://gateway-api.sigs.k8s.io/reference/spec/", false)]
    public void Citation_IsRecognized(string text, bool outside) => Assert.Equal(outside, Outside().IsMatch(text));

    [Fact]
    public void PagesThatAreCited_AreThere()
    {
        var missing = Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.cs", SearchOption.AllDirectories)
            .SelectMany(static file => Page().Matches(File.ReadAllText(file)).Select(static match => match.Value))
            .Distinct(StringComparer.Ordinal)
            .Where(static page => !File.Exists(Path.Combine(Repository.Root, page)));

        Assert.Empty(missing);
    }

    [Fact]
    public void SectionsOfTheWire_ThatAreCited_AreThere()
    {
        var headings = File.ReadLines(Path.Combine(Repository.Root, "docs", "protocol.md"))
            .Where(static line => line.StartsWith('#')).Select(static line => line.TrimStart('#', ' ')).ToHashSet(StringComparer.Ordinal);
        var missing = Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.cs", SearchOption.AllDirectories)
            .SelectMany(static file => Section().Matches(File.ReadAllText(file)).Select(match => (File: file, Heading: match.Groups["heading"].Value)))
            .Where(cited => !headings.Contains(cited.Heading))
            .Select(static cited => $"{cited.File}: {cited.Heading}");

        Assert.Empty(missing);
    }

    [GeneratedRegex(@"(?<![a-z./-])reference/[a-z-]+\.md|\.\./shared\b")]
    private static partial Regex Outside();

    [GeneratedRegex(@"docs/[a-z-]+\.md")]
    private static partial Regex Page();

    [GeneratedRegex("""docs/protocol\.md, "?(?<heading>[^)"]+)""")]
    private static partial Regex Section();
}
