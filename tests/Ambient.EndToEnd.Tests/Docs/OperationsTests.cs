using System.Diagnostics;
using System.Text.RegularExpressions;
using Ambient.Testing;

namespace Ambient.EndToEnd.Tests.Docs;

/// <summary>docs/operations.md lists every variable and every metric, and none that there is not.</summary>
public sealed partial class OperationsTests
{
    private static readonly string s_document = File.ReadAllText(Path.Combine(Repository.Root, "docs/operations.md"));

    [Fact]
    public async Task Variables_AreThoseOfHelp()
    {
        var (ztunnel, waypoint) = (await HelpAsync("Ztunnel", "ztunnel"), await HelpAsync("Waypoint", "waypoint"));
        Assert.Contains("XDS_ADDRESS", ztunnel);
        Assert.Contains("GATEWAY_NAME", waypoint);
        var told = VariablesOf(s_document);

        Assert.Empty(ztunnel.Union(waypoint).Except(told).Order());
        Assert.Empty(told.Except(ztunnel.Union(waypoint)).Order());
    }

    [Theory]
    [InlineData("## Variables of both hosts", true, true)]
    [InlineData("## The control plane", true, true)]
    [InlineData("## ztunnel", true, false)]
    [InlineData("## waypoint", false, true)]
    public async Task Variables_StandWithTheHostsThatHaveThem(string heading, bool ztunnel, bool waypoint)
    {
        var begin = s_document.IndexOf(heading + "\n", StringComparison.Ordinal);
        Assert.True(begin >= 0, $"there is no {heading}");
        var section = s_document[begin..s_document.IndexOf("\n## ", begin + 1, StringComparison.Ordinal)];
        var told = VariablesOf(section);
        Assert.NotEmpty(told);

        if (ztunnel)
        {
            Assert.Empty(told.Except(await HelpAsync("Ztunnel", "ztunnel")));
        }

        if (waypoint)
        {
            Assert.Empty(told.Except(await HelpAsync("Waypoint", "waypoint")));
        }
    }

    [Fact]
    public void Metrics_AreThoseThatThereAre()
    {
        var source = Path.Combine(Repository.Root, "src", "Ambient.Node");
        var made = Directory.EnumerateFiles(source, "*.cs", SearchOption.AllDirectories)
            .Where(static file => !file.Contains("/obj/", StringComparison.Ordinal))
            .SelectMany(static file => FamilyInSource().Matches(File.ReadAllText(file)))
            .Select(static match => match.Groups["name"].Value)
            .ToHashSet(StringComparer.Ordinal);
        Assert.True(made.Count > 30, $"only {made.Count} metrics were found in the sources");
        var begin = s_document.IndexOf("## Metrics\n", StringComparison.Ordinal);
        Assert.True(begin >= 0, "there is no section about metrics");
        var told = FirstCells(s_document[begin..s_document.IndexOf("\n## ", begin + 1, StringComparison.Ordinal)])
            .SelectMany(static cell => QuotedMetric().Matches(cell)).Select(static match => match.Groups["name"].Value).ToHashSet(StringComparer.Ordinal);

        Assert.Empty(made.Except(told).Order());
        Assert.Empty(told.Except(made).Order());
    }

    private static HashSet<string> VariablesOf(string text) =>
        [.. FirstCells(text).SelectMany(static cell => QuotedVariable().Matches(cell)).Select(static match => match.Groups["name"].Value)];

    private static IEnumerable<string> FirstCells(string text) => text.Split('\n')
        .Where(static line => line.StartsWith("| ", StringComparison.Ordinal)).Select(static line => line.Split('|')[1]);

    private static async Task<HashSet<string>> HelpAsync(string project, string host)
    {
        var configuration = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd('/')).Name;
        var start = new ProcessStartInfo(Path.Combine(Repository.Root, "artifacts", "bin", project, configuration, host), "--help") { RedirectStandardOutput = true };
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        return [.. VariableInHelp().Matches(output).Select(static match => match.Groups["name"].Value)];
    }

    [GeneratedRegex(@"^  (?<name>[A-Z][A-Z0-9_]+\*?)( |$)", RegexOptions.Multiline)]
    private static partial Regex VariableInHelp();

    [GeneratedRegex(@"`(?<name>[A-Z][A-Z0-9]*_[A-Z0-9_]*\*?|NETWORK)`")]
    private static partial Regex QuotedVariable();

    [GeneratedRegex("`(?<name>[a-z]+(_[a-z]+)+)`")]
    private static partial Regex QuotedMetric();

    // The families are made with their names as they are; those of policies by a method of their own.
    [GeneratedRegex(@"(new (CounterFamily|GaugeFamily|HistogramFamily|ObservedCounter)\(\s*|Add\(registry, )""(?<name>[a-z_]+)""")]
    private static partial Regex FamilyInSource();
}
