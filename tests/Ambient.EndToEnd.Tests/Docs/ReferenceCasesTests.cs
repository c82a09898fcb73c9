using System.Text;
using Ambient.Testing;

namespace Ambient.EndToEnd.Tests.Docs;

/// <summary>
/// docs/reference-cases.md lists every test of the reference beside ours that re-creates it, or says why there is none. It is
/// generated from what the tests say of themselves: <c>./build.sh docs</c> writes it, and these tests fail when it is not what
/// would be written.
/// </summary>
public sealed class ReferenceCasesTests
{
    private const string WriteVariable = "AMBIENT_WRITE_DOCS";
    private static readonly string s_document = Path.Combine(Repository.Root, "docs/reference-cases.md");

    [Fact]
    public void Document_IsWhatTheTestsSay()
    {
        var text = Generate();
        if (Environment.GetEnvironmentVariable(WriteVariable) == "1")
        {
            File.WriteAllText(s_document, text);
            return;
        }

        Assert.True(File.ReadAllText(s_document) == text, "docs/reference-cases.md is not what the tests say: write it with ./build.sh docs");
    }

    [Fact]
    public void EveryCase_HasATestOrAReason()
    {
        var (traits, reasons) = (ReferenceTraits.Find(), ReadReasons());

        var neither = ReferenceCases.Read().Names.Where(name => !traits.ContainsKey(name) && !reasons.ContainsKey(name));

        Assert.Empty(neither);
    }

    [Fact]
    public void EveryTrait_NamesACase()
    {
        var cases = ReferenceCases.Read().Names.ToHashSet();

        var unknown = ReferenceTraits.Find().Where(trait => !cases.Contains(trait.Key)).Select(trait => $"{trait.Key}: {trait.Value[0].Name}");

        Assert.Empty(unknown);
    }

    [Fact]
    public void EveryReason_IsOfACaseWithoutTest()
    {
        var cases = ReferenceCases.Read().Names.ToHashSet();
        var traits = ReferenceTraits.Find();

        Assert.DoesNotContain(ReadReasons().Keys, name => !cases.Contains(name) || traits.ContainsKey(name));
    }

    [SkippableFact]
    public void TheList_IsTheReferences()
    {
        var reference = ReferenceCases.ReadReference();
        Skip.If(reference is null, "the reference does not lie beside the repository");

        Assert.Equal(reference, ReferenceCases.Read().Sections.SelectMany(section => section.Cells));
    }

    private static Dictionary<string, string> ReadReasons() => File
        .ReadLines(Path.Combine(Repository.Root, "tests/Ambient.EndToEnd.Tests/Docs/ReferenceReasons.txt"))
        .Where(line => line.Length > 0 && line[0] != '#')
        .Select(line => line.Split(": ", 2))
        .ToDictionary(parts => parts[0], parts => parts[1]);

    private static string Generate()
    {
        var (cases, traits, reasons) = (ReferenceCases.Read(), ReferenceTraits.Find(), ReadReasons());
        var text = new StringBuilder();
        text.Append(
            """
            # The reference's tests, and ours

            ztunnel's own tests, by the sections of the notes that this project was written from (section 13), and the tests here that
            re-create them. Generated from `[Trait("Reference", ...)]` in the tests by `./build.sh docs`; do not edit it.


            """);
        var tested = cases.Names.Count(traits.ContainsKey);
        text.Append($"{cases.Names.Count()} cases: {tested} with a test, {cases.Names.Count() - tested} without, each with its reason.\n");
        foreach (var section in cases.Sections)
        {
            text.Append($"\n## {section.Title}\n\n| Reference | Here |\n|---|---|\n");
            foreach (var name in section.Names)
            {
                text.Append($"| {name} | {(traits.TryGetValue(name, out var tests) ? string.Join("<br>", tests.Select(Link)) : reasons.GetValueOrDefault(name, ""))} |\n");
            }
        }

        return text.ToString();

        static string Link(ReferenceTraits.Test test) => $"[{test.Name}](../{test.File})";
    }
}
