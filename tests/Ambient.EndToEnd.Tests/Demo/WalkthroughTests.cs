using Ambient.Samples.Bookinfo.Walkthrough.Cluster;
using Ambient.Samples.Bookinfo.Walkthrough.Namespaces;
using Ambient.Samples.Bookinfo.Walkthrough.Steps;
using Ambient.Testing;

namespace Ambient.EndToEnd.Tests.Demo;

/// <summary>
/// The walkthrough itself, with hosts as they are built for tests, whose memory the last step shows but does not hold to the promise: what a
/// process compiled just in time takes says nothing about the native one.
/// </summary>
public sealed class WalkthroughTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("ambient-walkthrough-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [SkippableFact]
    public async Task Walkthrough_ThroughStepSix_PassesAndStopsWhatItStarted()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "loopback addresses beyond 127.0.0.1 are Linux's");
        await PassesAsync(6);
    }

    [SkippableFact]
    [Trait("Needs", "Root")]
    public async Task WalkthroughInNamespaces_AllSteps_PassesAndRemovesThem()
    {
        Skip.If(NamespaceNetwork.FindProblem() is not null, NamespaceNetwork.FindProblem());
        await PassesAsync(7, "--netns");

        Assert.DoesNotContain(Directory.GetFileSystemEntries("/run/netns"), path => Path.GetFileName(path).StartsWith("bookinfo-", StringComparison.Ordinal));
        Assert.False(Directory.Exists("/etc/netns") && Directory.GetDirectories("/etc/netns", "bookinfo-*").Length > 0);
    }

    private async Task PassesAsync(int through, params string[] more)
    {
        await using var walkthrough = ChildProcess.Start(
            "walkthrough",
            _folder,
            "dotnet",
            [
                BuiltProgram("Walkthrough", "walkthrough.dll"), "--root", Repository.Root, "--through", $"{through}", .. more, "--run-folder", Path.Combine(_folder, "run"),
                "--ztunnel", BuiltProgram("Ztunnel", "ztunnel"), "--waypoint", BuiltProgram("Waypoint", "waypoint"), "--bookinfo", BuiltProgram("Bookinfo", "bookinfo.dll"),
            ],
            []);
        Assert.True(await Stage.UntilAsync(() => Task.FromResult(walkthrough.HasExited), TimeSpan.FromMinutes(4), CancellationToken.None), Report());

        await Stage.UntilAsync(() => Task.FromResult(walkthrough.Since(0).Count > 0), TimeSpan.FromSeconds(30), CancellationToken.None);
        Skip.If(walkthrough.Since(0).Any(line => line.Contains("another walkthrough is running", StringComparison.Ordinal)), "another walkthrough is running on this machine");

        Assert.True(walkthrough.DescribeExit() == "exit code 0", Report());
        Assert.Contains(walkthrough.Since(0), line => line.Contains($"{through} of {through} steps passed", StringComparison.Ordinal));
        Assert.Empty(ProcessesWith(Path.Combine(_folder, "run")));

        string Report() => string.Join('\n', walkthrough.Since(0));
    }

    // The tests' own configuration: debug beside debug, release beside release.
    private static string BuiltProgram(string project, string file)
    {
        var configuration = Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory));
        var path = Path.Combine(Repository.Root, "artifacts", "bin", project, configuration, file);
        Skip.IfNot(File.Exists(path), $"{path} is not built");
        return path;
    }

    // Hosts are told the folder of their manifests in the environment, which is how a leftover shows.
    private static IEnumerable<string> ProcessesWith(string folder)
    {
        foreach (var process in Directory.GetDirectories("/proc").Where(path => int.TryParse(Path.GetFileName(path), out var id) && id != Environment.ProcessId))
        {
            var found = false;
            try
            {
                found = File.ReadAllText(Path.Combine(process, "environ")).Contains(folder, StringComparison.Ordinal);
            }
            catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
            {
                // Ended meanwhile, or another user's.
            }

            if (found)
            {
                yield return process;
            }
        }
    }
}
