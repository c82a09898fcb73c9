using System.Runtime.InteropServices;
using Ambient.Benchmarks.SideBySide.Istiod;

namespace Ambient.Benchmarks.SideBySide;

/// <summary>One run from start to clean-up.</summary>
internal static class SideBySideRun
{
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
            await using var network = await BenchNetwork.CreateAsync(cancellationToken);
            var backends = await Backends.StartAsync(network, folder, cancellationToken);
            try
            {
                var loads = new Loads(network.Client, options.Seconds, cancellationToken);
                var pair = new PairSections(options, loads, figures, network.Client, cancellationToken);
                await TryAsync("pair", failures, () => PairAsync(options, network, folder, loads, figures, pair, cancellationToken));
                if (options.Contenders.Contains(ZtunnelPair.Name))
                {
                    if (options.Has("waypoint"))
                    {
                        Console.WriteLine("waypoint");
                        await TryAsync("waypoint", failures, new WaypointSection(options, network, loads, figures, pair, folder, cancellationToken).RunAsync);
                    }

                    if (options.Has("http"))
                    {
                        Console.WriteLine("http");
                        await TryAsync("http", failures, new HttpSection(options, network, loads, figures, folder, cancellationToken).RunAsync);
                    }

                    if (options.Has("soak"))
                    {
                        Console.WriteLine("soak");
                        await TryAsync("soak", failures, new SoakSection(options, network, loads, figures, folder, cancellationToken).RunAsync);
                    }

                    if (options.Has("hop"))
                    {
                        Console.WriteLine("hop");
                        await TryAsync("hop", failures, new HopSection(options, network, pair, folder, cancellationToken).RunAsync);
                    }

                    if (options.Has("mesh"))
                    {
                        Console.WriteLine("mesh");
                        await TryAsync("mesh", failures, new MeshSection(options, network, loads, figures, folder, cancellationToken).RunAsync);
                    }

                    if (options.Has("tunnels"))
                    {
                        Console.WriteLine("tunnels");
                        await TryAsync("tunnels", failures, new TunnelsSection(options, network, figures, folder, cancellationToken).RunAsync);
                    }

                    if (options.Has("tls"))
                    {
                        Console.WriteLine("tls");
                        await TryAsync("tls", failures, new IdleTlsSection(options, network, figures, folder, cancellationToken).RunAsync);
                    }
                }
            }
            finally
            {
                foreach (var backend in backends)
                {
                    await backend.DisposeAsync();
                }
            }

            if (options.Has("start") && options.Contenders.Contains(ZtunnelPair.Name))
            {
                Console.WriteLine("start");
                await TryAsync("start", failures, new StartSection(options, network, figures, folder, cancellationToken).RunAsync);
            }

            if (options.Has("istiod") && options.Contenders.Contains(ZtunnelPair.Name))
            {
                Console.WriteLine("istiod");
                await TryAsync("istiod", failures, new IstiodSection(options, network, figures, folder, cancellationToken).RunAsync);
            }

            if (options.Has("inpod"))
            {
                Console.WriteLine("inpod");
                await TryAsync("inpod", failures, new InPodSection(options, figures, folder, cancellationToken).RunAsync);
            }

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

    private static async Task PairAsync(
        SideBySideOptions options, BenchNetwork network, string folder, Loads loads, Figures figures, PairSections pair, CancellationToken cancellationToken)
    {
        if (options.Has("idle"))
        {
            Console.WriteLine("idle");
            await WithContendersAsync(options, network, folder, pair.IdleAsync, cancellationToken);
        }

        var stress = new StressSections(loads, figures, pair, network.Client, cancellationToken);
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
        await WithContendersAsync(
            options,
            network,
            folder,
            async contenders =>
            {
                await Task.Delay(PairSections.Rest, cancellationToken);
                pair.Resident(contenders, "at rest");
                await RunAsync(options, sections, contenders);

                // What memory the ordinary load leaves is read before the harder ones.
                await pair.ResidentAfterAsync(contenders);
                await RunAsync(options, harder, contenders);
            },
            cancellationToken);
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

    private static async Task WithContendersAsync(
        SideBySideOptions options, BenchNetwork network, string folder, Func<IReadOnlyList<Contender>, Task> measure, CancellationToken cancellationToken)
    {
        var contenders = new List<Contender>();
        try
        {
            foreach (var name in options.Contenders)
            {
                contenders.Add(name == HaproxyPair.Name
                    ? await HaproxyPair.StartAsync(network, folder, cancellationToken)
                    : await ZtunnelPair.StartAsync(network, folder, options.Root, cancellationToken));
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
        catch (InvalidOperationException e)
        {
            await Console.Error.WriteLineAsync($"bench: section {section}: {e.Message}");
            failures.Add($"section {section} did not finish: {e.Message.Split('\n')[0]}");
        }
    }
}
