using System.Runtime;
using Ambient.Node.Lifetime;

namespace Ambient.Node.Tests.Lifetime;

/// <summary>Alone: collections are the process's.</summary>
[CollectionDefinition(nameof(CollectionHoldTests), DisableParallelization = true)]
[Collection(nameof(CollectionHoldTests))]
public sealed class CollectionHoldTests
{
    [Fact]
    public void NothingIsCollected_UntilTheEnd()
    {
        var (hold, mode) = (new CollectionHold(), GCSettings.LatencyMode);
        hold.Begin(CollectionHold.Most);
        var before = GC.CollectionCount(0);
        Allocate(CollectionHold.Most / 2);

        Assert.Equal(before, GC.CollectionCount(0));
        Assert.Equal(GCLatencyMode.NoGCRegion, GCSettings.LatencyMode);
        hold.End();

        Assert.Equal(mode, GCSettings.LatencyMode);
        Allocate(2 * CollectionHold.Most);
        Assert.NotEqual(before, GC.CollectionCount(0));
    }

    [Fact]
    public void MoreThanIsHeld_EndsIt()
    {
        var (hold, mode) = (new CollectionHold(), GCSettings.LatencyMode);
        hold.Begin(long.MaxValue);
        Allocate(3 * CollectionHold.Most);

        Assert.Equal(mode, GCSettings.LatencyMode);
        hold.End();
        hold.End();
    }

    [Fact]
    public void TwoOfAProcess_DoNotEndEachOther()
    {
        var (first, second) = (new CollectionHold(), new CollectionHold());
        first.Begin(CollectionHold.Most);
        second.Begin(CollectionHold.Most);

        second.End();
        Assert.Equal(GCLatencyMode.NoGCRegion, GCSettings.LatencyMode);
        first.End();
        Assert.NotEqual(GCLatencyMode.NoGCRegion, GCSettings.LatencyMode);
    }

    [Fact]
    public void HeapWithALimit_IsLeftAlone()
    {
        // Half of what there is would be set aside: a process in a container of 200 MB ran out of memory.
        var hold = new CollectionHold(available: CollectionHold.Plenty - 1);
        hold.Begin(CollectionHold.Most);

        Assert.NotEqual(GCLatencyMode.NoGCRegion, GCSettings.LatencyMode);
    }

    [Fact]
    public void SecondTime_IsAsUsual()
    {
        var hold = new CollectionHold();
        hold.Begin(CollectionHold.Most);
        hold.End();
        hold.Begin(CollectionHold.Most);

        Assert.NotEqual(GCLatencyMode.NoGCRegion, GCSettings.LatencyMode);
    }

    [Fact]
    public void LittleToRead_IsReadAsUsual()
    {
        var hold = new CollectionHold();
        hold.Begin(CollectionHold.TooFew - 1);

        Assert.NotEqual(GCLatencyMode.NoGCRegion, GCSettings.LatencyMode);
    }

    private static void Allocate(long bytes)
    {
        const int size = 1024;
        for (; bytes > 0; bytes -= size)
        {
            GC.KeepAlive(new byte[size]);
        }
    }
}
