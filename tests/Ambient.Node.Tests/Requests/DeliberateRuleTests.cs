using System.Globalization;
using Ambient.Testing;

namespace Ambient.Node.Tests.Requests;

/// <summary>The deliberate differences at layer 7: fewer than ten rules, each with its reason, and no exception of the recorded answers without one.</summary>
public sealed class DeliberateRuleTests
{
    private const int Most = 9;

    [Fact]
    public void Rules_AreFewerThanTen_AndEachHasItsRowsAndReasons()
    {
        var (rules, rows) = DeliberateDifference.Read(Document());
        Assert.Equal(Enumerable.Range(1, rules.Count), rules);
        Assert.InRange(rules.Count, 1, Most);
        Assert.All(rules, rule => Assert.Contains(rows, row => row.Rule == rule));
        Assert.All(rows, row => Assert.Contains(row.Rule, rules));
    }

    [SkippableFact]
    public void Exceptions_OfTheRecordedAnswers_NameARuleThatIsThere_AndARequestThatIs()
    {
        var (rules, _) = DeliberateDifference.Read(Document());
        Assert.All(DeliberateDifference.All, exception => Assert.Contains(exception.Rule, rules));
        foreach (var exception in DeliberateDifference.All)
        {
            Assert.InRange(exception.Line, 1, File.ReadLines(Path.Combine(GoldenFolder.Case("http", exception.Case), "responses.jsonl")).Count());
        }
    }

    [Theory]
    [InlineData("| 1 | a rule |\n\n| 1 | what | was | is |\n", "a rule has a number")]
    [InlineData("| 1 | a rule |\n\n| 1 | what | was | is | |\n", "a rule has a number")]
    [InlineData("| one | a rule |\n", "not a rule's number")]
    public void Row_WithoutAReasonOrNumber_IsFound(string table, string problem) => Assert.Contains(
        problem,
        Assert.Throws<InvalidDataException>(() => DeliberateDifference.Read($"## Requests: by rule\n\n{table}\n## Next\n")).Message,
        StringComparison.Ordinal);

    [Fact]
    public void Table_OfTenRules_IsTooLong()
    {
        var text = string.Concat(Enumerable.Range(1, 10).Select(rule => string.Create(CultureInfo.InvariantCulture, $"| {rule} | a rule |\n")));
        Assert.True(DeliberateDifference.Read($"## Requests: by rule\n\n{text}\n## Next\n").Rules.Count > Most);
    }

    private static string Document() => Repository.ReadDocument("compatibility.md");
}
