using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Tests.Diagnostics;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Node.Tests.Capture;

public sealed class LocalWorkloadTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly MeshStore _store = new();

    private LocalWorkload Sleep => LocalWorkload.ByName(_store, "default", "sleep", "sleep", null, _time);

    private void Publish(Workload workload) => _store.Publish(new MeshSnapshotBuilder(_store.Current).Set(workload).Build());

    [Fact]
    [Trait("Reference", "test_wait_for_workload")]
    public async Task Get_KnownWorkload_DoesNotWait()
    {
        Publish(DiagnosticsKit.Sleep);

        var asked = Sleep.GetAsync(default);

        Assert.True(asked.IsCompletedSuccessfully);
        Assert.Equal(DiagnosticsKit.Sleep, await asked);
    }

    [Fact]
    [Trait("Reference", "test_wait_for_workload_delay_fails")]
    public async Task Get_UnknownWorkload_GivesUpAfterFiveSeconds()
    {
        var asked = Sleep.GetAsync(default).AsTask();
        _time.Advance(TimeSpan.FromSeconds(4.9));
        Assert.False(asked.IsCompleted);

        _time.Advance(TimeSpan.FromSeconds(0.2));

        Assert.Null(await asked.WaitAsync(TimeSpan.FromSeconds(30)));
    }

    [Fact]
    [Trait("Reference", "test_wait_for_workload_eventually")]
    public async Task Get_WorkloadThatComesLater_IsFoundAfterAnUnrelatedOne()
    {
        var asked = Sleep.GetAsync(default).AsTask();
        Publish(DiagnosticsKit.ProductPage);
        Assert.False(asked.IsCompleted);

        Publish(DiagnosticsKit.Sleep);

        Assert.Equal(DiagnosticsKit.Sleep, await asked.WaitAsync(TimeSpan.FromSeconds(30)));
    }
}
