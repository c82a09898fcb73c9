using System.Runtime.InteropServices;
using Ambient.Benchmarks.SideBySide.Istiod;

namespace Ambient.Benchmarks.SideBySide;

/// <summary>One run from start to clean-up.</summary>
internal static class SideBySideRun
{
    /// <summary>Those that need the programs behind the proxies.</summary>
    private static readonly Section[] s_served =
    [
        new(["idle", "throughput", "requests", "connections", "slow", "storm"], false, PairAsync),
        new(["waypoint"], true, t => new WaypointSection(t.Options, t.Network, t.Loads, t.Figures, t.Pair, t.Folder, t.CancellationToken).RunAsync()),
        new(["http"], true, t => new HttpSection(t.Options, t.Network, t.Loads, t.Figures, t.Folder, t.CancellationToken).RunAsync()),
        new(["soak"], true, t => new SoakSection(t.Options, t.Network, t.Loads, t.Figures, t.Folder, t.CancellationToken).RunAsync()),
        new(["hop"], true, t => new HopSection(t.Options, t.Network, t.Pair, t.Folder, t.CancellationToken).RunAsync()),
        new(["mesh"], true, t => new MeshSection(t.Options, t.Network, t.Loads, t.Figures, t.Folder, t.CancellationToken).RunAsync()),
        new(["tunnels"], true, t => new TunnelsSection(t.Options, t.Network, t.Figures, t.Folder, t.CancellationToken).RunAsync()),
        new(["tls"], true, t => new IdleTlsSection(t.Options, t.Network, t.Figures, t.Folder, t.CancellationToken).RunAsync()),
    ];

    /// <summary>Those that bring what they need.</summary>
    private static readonly Section[] s_alone =
    [
        new(["start"], true, t => new StartSection(t.Options, t.Network, t.Figures, t.Folder, t.CancellationToken).RunAsync()),
        new(["istiod"], true, t => new IstiodSection(t.Options, t.Network, t.Figures, t.Folder, t.CancellationToken).RunAsync()),
        new(["inpod"], false, t => new InPodSection(t.Options, t.Figures, t.Folder, t.CancellationToken).RunAsync()),
    ];

    /// <summary>0: measured, whatever the figures say. 1: could not measure. 2: bad command line.</summary>
    internal static async Task<int> MainAsync(string[] args)
    {
        SideBySideOptions options;
        try
        {
            options = SideBySideOptions.Parse(args);
        }
        catch (FormatException e)
        {
            await Console.Error.WriteLineAsync($"bench: {e.Message}\n{SideBySideOptions.Usage}");
            return 2;
        }

        if (options.Help)
        {
            Console.WriteLine(SideBySideOptions.Usage);
            return 0;
        }

        using var stop = new CancellationTokenSource();
        void OnSignal(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.Cancel();
        }

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
        try
        {
            await MeasureAsync(options, stop.Token);
            return 0;
        }
        catch (Exception e) when (e is InvalidOperationException or OperationCanceledException or IOException or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync($"bench: {e.Message}");
            return 1;
        }
    }

    private static async Task MeasureAsync(SideBySideOptions options, CancellationToken cancellationToken)
    {
        options.LoadBefore = Report.LoadAverage();
        var folder = Directory.CreateTempSubdirectory("ambient-bench-").FullName;
        var figures = new Figures();
        var failures = new List<string>();
        var done = false;
        try
        {
            await using var network = await BenchNetwork.CreateAsync(options, cancellationToken);
            var backends = await Backends.StartAsync(network, folder, cancellationToken);
            try
            {
                await SectionsAsync(s_served, options, network, folder, figures, failures, cancellationToken);
            }
            finally
            {
                foreach (var backend in backends)
                {
                    await backend.DisposeAsync();
                }
            }

            await SectionsAsync(s_alone, options, network, folder, figures, failures, cancellationToken);
            var report = new Report(figures).Write(options);
            Directory.CreateDirectory(Path.GetDirectoryName(options.Output)!);
            await File.WriteAllTextAsync(options.Output, report, cancellationToken);
            Console.WriteLine($"\n{report}\nwritten to {options.Output}");
            done = failures.Count == 0;
            if (!done)
            {
                throw new InvalidOperationException(string.Join("\n", failures));
            }
        }
        finally
        {
            if (done)
            {
                Directory.Delete(folder, recursive: true);
            }
            else
            {
                await Console.Error.WriteLineAsync($"bench: logs are kept in {folder}");
            }
        }
    }

    /// <summary>Runs those of the sections that are wanted; with a baseline, a round of each of the two versions by turns.</summary>
    private static async Task SectionsAsync(
        Section[] sections, SideBySideOptions options, BenchNetwork network, string folder, Figures figures, List<string> failures, CancellationToken cancellationToken)
    {
        foreach (var section in sections)
        {
            if (!section.Names.Any(options.Has) || (section.OursAlone && !options.Contenders.Contains(ZtunnelPair.Name)))
            {
                continue;
            }

            if (section.Names is [var only])
            {
                Console.WriteLine(only);
            }

            var turn = new Turn(options, network, folder, figures, cancellationToken);
            if (options.Baseline is not { } baseline)
            {
                await TryAsync(section.Names[0], failures, () => section.RunAsync(turn));
                continue;
            }

            var before = turn with { Folder = Directory.CreateDirectory(Path.Combine(folder, "baseline")).FullName, Figures = figures.Baseline(), Options = options.OneTurn(baseline) };
            var now = turn with { Options = options.OneTurn(null) };
            var failed = failures.Count;
            for (var round = 0; round < options.Rounds; round++)
            {
                await TryAsync(section.Names[0], failures, () => section.RunAsync(now));
                if (failures.Count == failed)
                {
                    // What the baseline cannot do is not measured, and no failure of ours.
                    await TryAsync($"{section.Names[0]}{Figures.OfBaseline}", [], () => section.RunAsync(before));
                }
            }
        }
    }

    private static async Task PairAsync(Turn turn)
    {
        var (options, cancellationToken) = (turn.Options, turn.CancellationToken);
        var pair = turn.Pair;
        if (options.Has("idle"))
        {
            Console.WriteLine("idle");
            await WithContendersAsync(turn, pair.IdleAsync);
        }

        var stress = new StressSections(turn.Loads, turn.Figures, pair, turn.Network.Client, cancellationToken);
        (string Name, Func<IReadOnlyList<Contender>, Task> Run)[] sections =
        [
            ("throughput", pair.ThroughputAsync),
            ("requests", pair.RequestsAsync),
            ("connections", pair.ConnectionsAsync),
        ];
        (string Name, Func<IReadOnlyList<Contender>, Task> Run)[] harder = [("slow", stress.SlowReaderAsync), ("storm", stress.StormAsync)];
        if (!sections.Concat(harder).Any(section => options.Has(section.Name)))
        {
            return;
        }

        // Fresh processes: what the idle connections left in memory is not part of "at rest".
        await WithContendersAsync(turn, async contenders =>
        {
            await Task.Delay(PairSections.Rest, cancellationToken);
            pair.Resident(contenders, "at rest");
            await RunAsync(options, sections, contenders);

            // What memory the ordinary load leaves is read before the harder ones.
            await pair.ResidentAfterAsync(contenders);
            await RunAsync(options, harder, contenders);
        });
    }

    private static async Task RunAsync(
        SideBySideOptions options, (string Name, Func<IReadOnlyList<Contender>, Task> Run)[] sections, IReadOnlyList<Contender> contenders)
    {
        foreach (var (section, run) in sections)
        {
            if (options.Has(section))
            {
                Console.WriteLine(section);
                await run(contenders);
            }
        }
    }

    private static async Task WithContendersAsync(Turn turn, Func<IReadOnlyList<Contender>, Task> measure)
    {
        var contenders = new List<Contender>();
        try
        {
            foreach (var name in turn.Options.Contenders)
            {
                contenders.Add(name == HaproxyPair.Name
                    ? await HaproxyPair.StartAsync(turn.Network, turn.Folder, turn.CancellationToken)
                    : await ZtunnelPair.StartAsync(turn.Network, turn.Folder, turn.Options, turn.CancellationToken));
            }

            await measure(contenders);
        }
        finally
        {
            foreach (var contender in contenders)
            {
                await contender.DisposeAsync();
            }
        }
    }

    /// <summary>A section that cannot run must not lose the figures of the others.</summary>
    private static async Task TryAsync(string section, List<string> failures, Func<Task> run)
    {
        try
        {
            await run();
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            await Console.Error.WriteLineAsync($"bench: section {section}: {e.Message}");
            failures.Add($"section {section} did not finish: {e.Message.Split('\n')[0]}");
        }
    }

    /// <summary>What a section is run with: all rounds of ours, or one of one version's.</summary>
    private sealed record Turn(SideBySideOptions Options, BenchNetwork Network, string Folder, Figures Figures, CancellationToken CancellationToken)
    {
        internal Loads Loads => new(Network.Client, Options.Seconds, CancellationToken);

        internal PairSections Pair => new(Options, Loads, Figures, Network.Client, CancellationToken);
    }

    /// <param name="Names">By which it is asked for.</param>
    /// <param name="OursAlone">Whether it measures nothing where ours is no contender.</param>
    /// <param name="RunAsync">Measures.</param>
    private sealed record Section(string[] Names, bool OursAlone, Func<Turn, Task> RunAsync);
}
