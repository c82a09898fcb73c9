using Ambient.Benchmarks.SideBySide;
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
