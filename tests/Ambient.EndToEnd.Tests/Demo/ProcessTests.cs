using Ambient.Samples.Bookinfo.Walkthrough.Cluster;

namespace Ambient.EndToEnd.Tests.Demo;

public sealed class ProcessTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("ambient-demo-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [SkippableFact]
    public async Task Dispose_OfProcessThatIgnoresPoliteness_EndsItAndKeepsItsLog()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "needs /proc and bash");
        var process = ChildProcess.Start("stubborn", _folder, "bash", ["-c", "trap '' TERM; echo begun $GREETING >&2; while true; do sleep 0.1; done"], [new("GREETING", "hello")]);
        while (process.Since(0).Count == 0)
        {
            await Task.Delay(10);
        }

        await process.DisposeAsync();

        Assert.Null(ProcessSignals.StartTime(process.Id));
        Assert.Equal("begun hello\n", await File.ReadAllTextAsync(process.LogFile));
    }

    [SkippableFact]
    public async Task Since_AMark_HasOnlyWhatCameAfterIt()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "needs bash");
        var go = Path.Combine(_folder, "go");
        await using var process = ChildProcess.Start(
            "echo", _folder, "bash", ["-c", "echo one; while [ ! -e \"$GO\" ]; do sleep 0.05; done; echo two"], [new("GO", go)]);
        while (process.Mark() < 1)
        {
            await Task.Delay(10);
        }

        var mark = process.Mark();
        await File.WriteAllTextAsync(go, "");
        while (process.Since(mark).Count == 0)
        {
            await Task.Delay(10);
        }

        Assert.Equal(["two"], process.Since(mark));
        Assert.Equal(["one", "two"], process.Since(0));
    }

    [Fact]
    public void TryTake_WhileAnotherHasIt_SaysSo()
    {
        var path = Path.Combine(_folder, "lock");
        using var first = RunLock.TryTake(path, out _);

        var second = RunLock.TryTake(path, out var problem);

        Assert.NotNull(first);
        Assert.Null(second);
        Assert.Contains(path, problem, StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task StopLeftovers_OfAKilledRun_EndsExactlyItsProcesses()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "needs /proc");
        var path = Path.Combine(_folder, "lock");
        await using var leftover = ChildProcess.Start("leftover", _folder, "sleep", ["600"], []);
        await using var innocent = ChildProcess.Start("innocent", _folder, "sleep", ["600"], []);
        // What a run that was killed leaves: its own process, and an id that now belongs to somebody else.
        await File.WriteAllTextAsync(path, $"{leftover.Id} {ProcessSignals.StartTime(leftover.Id)}\n{innocent.Id} 1\nnonsense\n");

        using var runLock = RunLock.TryTake(path, out _);

        Assert.Equal(1, runLock!.StopLeftovers());
        Assert.True(await Samples.Bookinfo.Walkthrough.Steps.Stage.UntilAsync(
            () => Task.FromResult(leftover.HasExited), TimeSpan.FromSeconds(20), CancellationToken.None));
        Assert.False(innocent.HasExited);
    }
}
