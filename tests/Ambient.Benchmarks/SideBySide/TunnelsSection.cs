namespace Ambient.Benchmarks.SideBySide;

/// <summary>
/// What thousands of idle tunnels cost each side: memory at most, as they are opened and used once more, and what is held then.
/// </summary>
internal sealed class TunnelsSection(SideBySideOptions options, BenchNetwork network, Figures figures, string folder, CancellationToken cancellationToken)
{
    private const string Now = "idle tunnels";
    private const string Baseline = Now + Figures.OfBaseline;
    private const int Tunnels = 5000;
    private static readonly string[] s_sides = ["client", "server"];
    private static readonly TimeSpan s_rest = TimeSpan.FromSeconds(2);

    internal async Task RunAsync()
    {
        for (var round = 0; round < options.RoundsOf(3); round++)
        {
            await using var pair = await ZtunnelPair.StartAsync(network, folder, options, cancellationToken);
            var held = await IdleClient.WhileHoldingAsync(
                network.Client,
                pair.HttpHost,
                pair.HttpPort,
                Tunnels,
                async () =>
                {
                    await Task.Delay(s_rest, cancellationToken);
                    return pair.Processes.Select(process => (process.ResidentPeak, process.Resident)).ToArray();
                },
                cancellationToken,
                requests: 2);
            for (var i = 0; i < s_sides.Length; i++)
            {
                var (peak, resident) = (held[i].ResidentPeak / 1e6, held[i].Resident / 1e6);
                figures.Add(Figure("peak", i), Now, peak, $"{peak:0.0} MB at most, {s_sides[i]}");
                figures.Add(Figure("held", i), Now, resident, $"{resident:0.0} MB held, {s_sides[i]}");
            }
        }
    }

    internal static void Report(Report report, Figures figures)
    {
        if (figures.Median(Figure("peak", 0), Now) is null)
        {
            return;
        }

        report.Begin($"{Tunnels} idle tunnels", "ztunnel", "baseline", "ratio", "target");
        for (var i = 0; i < s_sides.Length; i++)
        {
            report.Row($"resident at most, {s_sides[i]}, MB", Figure("peak", i), "0.0", ratio => ratio <= 0.85, "<= 0.85x", Now, Baseline);
            report.Row($"held after the second request, {s_sides[i]}, MB", Figure("held", i), "0.0", ratio => ratio <= 0.85, "<= 0.85x", Now, Baseline);
        }
    }

    private static string Figure(string what, int side) => $"tunnels {what} {s_sides[side]}";
}
