using Ambient.Benchmarks.SideBySide;
using Ambient.Benchmarks.SideBySide.Istiod;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

namespace Ambient.Benchmarks;

/// <summary>Micro benchmarks, the side-by-side run, and the clients that the latter starts.</summary>
internal static class Program
{
    private static async Task<int> Main(string[] args)
    {
        switch (args)
        {
            case ["side-by-side", .. var rest]:
                return await SideBySideRun.MainAsync(rest);
            case [IdleClient.Verb, var host, var port, var count, var requests]:
                return await IdleClient.HoldAsync(host, int.Parse(port), int.Parse(count), int.Parse(requests));
            case [IdleTlsSection.Verb, var folder, var host, var count]:
                return await IdleTlsSection.HoldAsync(folder, host, int.Parse(count));
            case [SlowReader.Verb, var host, var port]:
                return await SlowReader.HoldAsync(host, int.Parse(port));
            case [MeshServer.Verb, var port, var root, var workloads, var services]:
                return await MeshServer.ServeAsync(int.Parse(port), root, int.Parse(workloads), int.Parse(services));
            case [IstiodServer.Verb, var port, var folder, var endpoint, var at, var waypoint]:
                return await IstiodServer.ServeAsync(int.Parse(port), folder, endpoint, int.Parse(at), waypoint);
            case [SteadyRequests.Verb, var folder, var waypoint, var own, .. var ports]:
                return await SteadyRequests.RunAsync(folder, waypoint, own, [.. ports.Select(int.Parse)]);
            case ["micro", .. var rest]:
                // In this process: a project generated elsewhere would not find our central package versions.
                var config = DefaultConfig.Instance.AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance));
                BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(rest, config);
                return 0;
            default:
                await Console.Error.WriteLineAsync("usage: side-by-side [--help] | micro [--filter '*']");
                return 2;
        }
    }
}
