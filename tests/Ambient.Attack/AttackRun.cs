using System.Diagnostics;
using System.Globalization;
using System.Net;

namespace Ambient.Attack;

/// <summary>Attacks a host in each known way, and says what that did to it and to a neighbour.</summary>
public static class AttackRun
{
    /// <summary>Names of the attacks, in order.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Attacks.All.Select(attack => attack.Name)];

    /// <summary>One attack on a host of its own.</summary>
    /// <param name="number">1 to as many as there are names.</param>
    /// <param name="options">How.</param>
    public static async Task<AttackResult> RunAsync(int number, AttackOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var target = Attacks.All[number - 1].Target;
        using var endpoints = target == AttackTarget.Ztunnel ? Endpoints.OfNeighbour() : null;
        using var web = target == AttackTarget.Ztunnel ? null : new EngineEndpoint(EngineHost.Web);
        await using var host = target == AttackTarget.Ztunnel ? await TargetHost.StartAsync(options) : await EngineHost.StartAsync(options, target);
        using var attacker = await AttackerProcess.StartAsync(number, host, options);
        await using var client = host.Target is null ? null
            : new EngineClient(host.Target, target, host.Authority.Issue("default", "neighbour"), IPAddress.Parse(TargetHost.Neighbour));
        INeighbour neighbour = client is null ? new Neighbour(host.Authority) : new EngineNeighbour(client);

        // The first requests warm up both sides; then what is quiet.
        await MeasureAsync(neighbour, TimeSpan.FromSeconds(2), []);
        var quiet = await MeasureAsync(neighbour, TimeSpan.FromSeconds(options.QuietSeconds), []);
        await Task.Delay(500);
        var before = host.Resident;
        var failures = new List<string>();
        var peak = before;
        var used = host.Used;
        var from = Stopwatch.GetTimestamp();
        Dictionary<string, List<double>> attacked;
        using (var measured = new CancellationTokenSource())
        {
            var watching = WatchAsync();
            var measuring = neighbour.MeasureAsync(failures, measured.Token);
            await attacker.AttackAsync();
            await measured.CancelAsync();
            attacked = await measuring;
            await watching;

            async Task WatchAsync()
            {
                while (!measured.IsCancellationRequested)
                {
                    peak = Math.Max(peak, host.Resident);
                    await Task.Delay(20);
                }
            }
        }

        var processors = (host.Used - used) / Stopwatch.GetElapsedTime(from);
        var after = await RecoverAsync(host, before * options.MaxLeft, options.Recovery);
        Latency[] latencies =
        [
            .. quiet.Select(pair => new Latency(pair.Key, Percentile(pair.Value), Percentile(attacked[pair.Key]), attacked[pair.Key].Count)),
        ];
        return new AttackResult
        {
            Name = Names[number - 1],
            Before = before,
            Peak = peak,
            After = after,
            Processors = processors,
            Latencies = latencies,
            Failures = failures,
            Faults = [.. Judge(options, before, peak, after, latencies, failures)],
        };
    }

    private static IEnumerable<string> Judge(
        AttackOptions options, double before, double peak, double after, IEnumerable<Latency> latencies, List<string> failures)
    {
        var culture = CultureInfo.InvariantCulture;
        if (peak > options.MaxResidentMegabytes)
        {
            yield return string.Create(culture, $"{peak:0.0} MB resident, and at most {options.MaxResidentMegabytes} are allowed");
        }

        if (after > before * options.MaxLeft)
        {
            yield return string.Create(culture, $"{after:0.0} MB resident {options.Recovery.TotalSeconds:0} s later, and before it were {before:0.0}: at most {options.MaxLeft}x are allowed");
        }

        foreach (var latency in latencies.Where(latency => latency.What != Neighbour.Control))
        {
            // Below a millisecond a p99 is the scheduler's mood.
            var most = Math.Max(latency.Quiet, 1) * options.MaxLatencyFactor;
            if (latency.Samples == 0 || latency.Attacked > most)
            {
                yield return string.Create(culture, $"{latency.What}: p99 {latency.Attacked:0.00} ms ({latency.Samples} samples), and at most {most:0.00} are allowed");
            }
        }

        if (failures.Count > 0)
        {
            yield return $"{failures.Count} of the neighbour's requests failed, such as {failures[0]}";
        }
    }

    private static async Task<Dictionary<string, List<double>>> MeasureAsync(INeighbour neighbour, TimeSpan time, List<string> failures)
    {
        using var stop = new CancellationTokenSource(time);
        return await neighbour.MeasureAsync(failures, stop.Token);
    }

    private static async Task<double> RecoverAsync(TargetHost host, double enough, TimeSpan time)
    {
        var from = Stopwatch.GetTimestamp();
        var least = host.Resident;
        while (least > enough && Stopwatch.GetElapsedTime(from) < time)
        {
            await Task.Delay(250);
            least = Math.Min(least, host.Resident);
        }

        return least;
    }

    private static double Percentile(List<double> times)
    {
        if (times.Count == 0)
        {
            return 0;
        }

        // Of fewer than a hundred the worst one is a single moment, the scheduler's as likely as the host's: the one before it counts.
        times.Sort();
        return times[Math.Min(Math.Max(times.Count - 2, 0), (int)(times.Count * 0.99))];
    }
}
