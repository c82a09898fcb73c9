namespace Ambient.Benchmarks.SideBySide;

/// <summary>What a node has to live through: a storm of short connections, and one reader that does not read among a hundred that do.</summary>
internal sealed class StressSections(Loads loads, Figures figures, PairSections pair, string clientNamespace, CancellationToken cancellationToken)
{
    internal const int StormConnections = 20_000;
    internal const int StormAtOnce = 100;
    internal const int FastReaders = 100;

    internal async Task StormAsync(IReadOnlyList<Contender> contenders)
    {
        await pair.TurnsAsync(contenders, async contender =>
        {
            var got = await loads.StormAsync(contender.Url, StormAtOnce, StormConnections);
            figures.Add("storm", contender.Name, got.PerSecond, $"{got.PerSecond:0} connections/s of {StormConnections}, {StormAtOnce} at once");
            figures.Add("storm p99", contender.Name, got.P99 / 1e3, $"{got.P99 / 1e3:0} ms");
            figures.Add("storm failed", contender.Name, got.Failed, $"{got.Failed:0} failed");
        });
        pair.Resident(contenders, "after storm");
    }

    /// <summary>
    /// A client asks for a large file and reads none of it. What it does not read must wait at its own end, not in the way of the others,
    /// which share its tunnel connection.
    /// </summary>
    internal async Task SlowReaderAsync(IReadOnlyList<Contender> contenders)
    {
        await pair.TurnsAsync(contenders, async contender =>
        {
            await MeasureAsync(contender, "alone");
            await SlowReader.WhileNotReadingAsync(
                clientNamespace, contender.HttpHost, contender.HttpPort, async () =>
                {
                    await MeasureAsync(contender, "slow");
                    return 0;
                },
                cancellationToken);
        });
    }

    internal static void Report(Report report)
    {
        report.Row($"storm of {StormConnections} connections, {StormAtOnce} at once, connections/s", "storm", "0", ratio => ratio >= 5, ">= 5x");
        report.Row("storm, p99 of a connection, ms", "storm p99", "0", ratio => ratio <= 1, "<= 1x");
        report.Row("storm, failed", "storm failed", "0", limit: 0, target: "none");
        foreach (var side in PairSections.Sides)
        {
            report.Row($"resident right after the storm, {side}, MB", $"resident after storm {side}", "0.0");
        }

        report.Row($"p99 of {FastReaders} fast readers, us", "p99 alone", "0", ratio => ratio <= 1, "<= 1x");
        report.Row($"p99 of {FastReaders} fast readers beside one that does not read, us", "p99 slow", "0", ratio => ratio <= 1, "<= 1x");
        report.Row($"requests/s of {FastReaders} fast readers", "requests alone", "0");
        report.Row($"requests/s of {FastReaders} fast readers beside one that does not read", "requests slow", "0", ratio => ratio >= 1, ">= 1x");
    }

    private async Task MeasureAsync(Contender contender, string when)
    {
        var got = await loads.RequestsAsync(contender.Url, FastReaders);
        var what = when == "slow" ? "beside one that does not read" : "";
        figures.Add($"requests {when}", contender.Name, got.PerSecond, $"{got.PerSecond:0} requests/s at {FastReaders} {what} {got.Errors}");
        figures.Add($"p99 {when}", contender.Name, got.P99, $"{got.P99 / 1e3:0.00} ms");
    }
}
