using System.Globalization;
using Ambient.Samples.Bookinfo.Walkthrough.Cluster;
using Ambient.Samples.Bookinfo.Walkthrough.Namespaces;
using Ambient.Samples.Bookinfo.Walkthrough.Report;
using Ambient.Samples.Bookinfo.Walkthrough.Steps;

namespace Ambient.Samples.Bookinfo.Walkthrough;

/// <summary>
/// The whole of it: 1. look whether it can begin, 2. set the stage, 3. run the steps, 4. sum up, 5. with <c>--keep</c>
/// stay, 6. stop everything that was started.
/// </summary>
internal static class Demo
{
    private static readonly IStep[] s_steps =
    [
        new Step1Install(), new Step2Deploy(), new Step3Enrol(), new Step4ConnectionPolicy(),
        new Step5RequestPolicy(), new Step6TrafficSplit(), new Step7Token(), new Step8Resilience(), new Step9Explain(), new Step10Footprint(),
    ];

    /// <summary>Runs the walkthrough. Returns the exit code.</summary>
    public static async Task<int> RunAsync(WalkthroughOptions options, CancellationToken cancellation)
    {
        // 1. Can it begin?
        var binaries = HostBinaries.Under(options.Root);
        binaries = new HostBinaries(options.Ztunnel ?? binaries.Ztunnel, options.Waypoint ?? binaries.Waypoint, options.Bookinfo ?? binaries.Bookinfo);
        if (binaries.FindMissing() is { } missing)
        {
            return CannotBegin($"{missing} is missing. ./build.sh demo builds it; so does ./build.sh hosts.");
        }

        if (options.Namespaces && NamespaceNetwork.FindProblem() is { } lacking)
        {
            return CannotBegin(lacking);
        }

        using var runLock = RunLock.TryTake(Path.Combine(Path.GetTempPath(), "ambient-bookinfo.lock"), out var held);
        if (runLock is null)
        {
            return CannotBegin(held!);
        }

        if (runLock.StopLeftovers() is > 0 and var leftovers)
        {
            Console.WriteLine($"stopped {leftovers} processes of a former run that was killed");
            await Task.Delay(1000, CancellationToken.None);
        }

        // 2. The stage.
        var colors = !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("NO_COLOR") is null or "";
        var tell = new Narrator(Console.Out, colors);
        var runFolder = options.RunFolder ?? Directory.CreateTempSubdirectory("ambient-bookinfo-").FullName;
        var folder = new ManifestFolder(Path.Combine(runFolder, "manifests"), Path.Combine(options.Root, "samples", "Bookinfo", "k8s"));
        var listenerPortOffset = ListenerPortOffset();
        var namespaces = options.Namespaces ? await NamespaceNetwork.CreateAsync(runFolder, tell) : null;
        await using IClusterNetwork network = namespaces is null ? new LoopbackNetwork() : namespaces;
        await using var mesh = await MeshReader.OpenAsync(folder.Path, network, tell, cancellation);
        namespaces?.Follow(mesh.Snapshots);
        await using var kubelet = new Kubelet(mesh.Snapshots, network, binaries, folder.Path, runFolder, runLock, listenerPortOffset);
        using var stage = new Stage(tell, folder, mesh.Snapshots, network, kubelet, listenerPortOffset);
        tell.Heading("Bookinfo in the mesh");
        tell.Note($"manifests {folder.Path}");
        tell.Note($"logs      {runFolder}");
        if (namespaces is not null)
        {
            tell.Note("every node and pod is in a network namespace of its own: ip netns list");
        }

        if (listenerPortOffset != 0)
        {
            tell.Note($"ports below 1024 are for root here: the gateway listens on {stage.GatewayPort} instead of 80");
        }

        var passed = false;
        try
        {
            // 3. The steps.
            await RunStepsAsync(stage, options.Through, cancellation);

            // 4. The sum.
            passed = SumUp(tell, options.Through, runFolder);
            if (options.Picture is { } picture)
            {
                // From the policies on: the whole is too tall for a page.
                var shown = tell.Transcript.SkipWhile(line => !line.Text.StartsWith("Step 4", StringComparison.Ordinal));
                await File.WriteAllTextAsync(picture, TranscriptSvg.Draw([.. shown]), CancellationToken.None);
            }

            // 5. Stay?
            if (options.Keep)
            {
                mesh.TellEdits();
                await Keeper.RunAsync(stage, cancellation);
            }
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // During the steps an interruption is a walkthrough that did not pass; afterwards it is how --keep ends.
            tell.Note(options.Keep && tell.Results.Count == options.Through ? "stopping" : "interrupted: stopping what was started");
        }

        // 6. Kubelet and mesh are disposed on the way out, whatever happened.
        return passed ? 0 : 1;
    }

    private static async Task RunStepsAsync(Stage stage, int through, CancellationToken cancellation)
    {
        for (var number = 1; number <= through; number++)
        {
            var step = s_steps[number - 1];
            stage.Tell.Begin(number, s_steps.Length, step.Title);
            try
            {
                if (number > 1 && !(stage.Kubelet.Runs("ztunnel-node-a") && stage.Kubelet.Runs("ztunnel-node-b")))
                {
                    throw new InvalidOperationException("not tried: there are no ztunnels, see step 1");
                }

                await step.RunAsync(stage, cancellation);
            }
            catch (Exception failure) when (!cancellation.IsCancellationRequested)
            {
                // One step's trouble is a FAIL with its reason; the steps after it still show what they can.
                stage.Tell.Check(false, failure is InvalidOperationException ? failure.Message : failure.ToString());
            }

            foreach (var host in stage.Kubelet.Hosts.Where(host => host.Process.HasExited))
            {
                stage.Tell.Check(false, $"{host.Name} ended by itself ({host.Process.DescribeExit()}): {host.Process.LastLine()}");
            }

            stage.Tell.End();
        }
    }

    private static bool SumUp(Narrator tell, int through, string runFolder)
    {
        tell.Heading("Summary");
        foreach (var result in tell.Results)
        {
            tell.Verdict(result.Passed, string.Create(CultureInfo.InvariantCulture,
                $"{result.Number}  {(result.Passed ? "PASS" : "FAIL")}  {result.Elapsed.TotalSeconds,5:F1} s  {result.Title}"));
        }

        var passes = tell.Results.Count(result => result.Passed);
        tell.Verdict(passes == through, $"{passes} of {through} steps passed; logs in {runFolder}");
        return passes == through;
    }

    // The gateway's listener is on port 80, which is root's on most machines: then it moves, and the report says so.
    private static int ListenerPortOffset()
    {
        const int moved = 8000;
        if (Environment.IsPrivilegedProcess)
        {
            return 0;
        }

        var first = File.Exists("/proc/sys/net/ipv4/ip_unprivileged_port_start")
            ? int.Parse(File.ReadAllText("/proc/sys/net/ipv4/ip_unprivileged_port_start"), CultureInfo.InvariantCulture)
            : 1024;
        return first <= 80 ? 0 : moved;
    }

    private static int CannotBegin(string why)
    {
        Console.Error.WriteLine($"walkthrough: {why}");
        return 2;
    }
}
