using Ambient.Node.Lifetime;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Node.Tests.Lifetime;

public sealed class MemoryTrimTests
{
    // How often it looks.
    private static readonly TimeSpan s_step = TimeSpan.FromSeconds(0.7);

    [Fact]
    public void Start_ReleasesWhatTheStartRanThrough_AtOnce()
    {
        var released = 0;
        using var trim = new MemoryTrim(new FakeTimeProvider(), static () => TimeSpan.Zero, () => ++released);

        Assert.Equal(1, released);
    }

    [Fact]
    public void Look_WhenNeverQuiet_ReleasesWhatTheStartLeft_AndThenSeldom()
    {
        var (time, used, released) = (new FakeTimeProvider(), TimeSpan.Zero, 0);
        using var trim = new MemoryTrim(time, () => used, () => ++released);

        Busy(4);
        Assert.Equal(1, released);
        Busy(3);
        Assert.Equal(2, released);
        Busy(200);
        Assert.Equal(2, released);
        Busy(120);
        Assert.Equal(3, released);

        void Busy(int seconds)
        {
            for (var end = time.GetUtcNow().AddSeconds(seconds); time.GetUtcNow() < end;)
            {
                used += s_step / 2;
                time.Advance(s_step);
            }
        }
    }

    [Fact]
    public void Look_OnceQuiet_ReleasesBeforeItCollects_AndAfterwards()
    {
        var (time, used) = (new FakeTimeProvider(), TimeSpan.FromSeconds(1));
        List<int> collections = [];
        using var trim = new MemoryTrim(time, () => used, () =>
        {
            collections.Add(GC.CollectionCount(2));
            return 0;
        });
        collections.Clear();

        // Something worth collecting, then quiet.
        GC.KeepAlive(new byte[4 * 1024 * 1024]);
        time.Advance(s_step);
        time.Advance(s_step);

        Assert.Equal(2, collections.Count);
        Assert.True(collections[0] < collections[1], string.Join(", ", collections));
    }

    [Fact]
    public void Look_OnceQuiet_ReleasesOnceForEachBurst()
    {
        var (time, used, released) = (new FakeTimeProvider(), TimeSpan.FromSeconds(1), 0);
        using var trim = new MemoryTrim(time, () => used, () => ++released);
        released = 0;

        // Busy at the first look, quiet from there on.
        for (var i = 0; i < 400; i++)
        {
            time.Advance(s_step);
        }

        Assert.InRange(released, 1, 3);
    }

    // To go through all that a large mesh has in use takes a tenth of a second, in which no request is served: better before there is one.
    [Fact]
    public void LargeHeap_IsCollectedAtTheStart_AndNotForWhatPoolsMayHave()
    {
        var (time, used, released) = (new FakeTimeProvider(), TimeSpan.FromSeconds(1), 0);
        var held = GC.AllocateUninitializedArray<byte>(32 * 1024 * 1024);
        var collections = GC.CollectionCount(2);
        using var trim = new MemoryTrim(time, () => used, () => ++released, held.Length);
        Assert.True(!OperatingSystem.IsLinux() || GC.CollectionCount(2) > collections);
        released = 0;

        for (var i = 0; i < 400; i++)
        {
            time.Advance(s_step);
        }

        // Once, and once more where what other tests leave is worth a collection; a minute later not again.
        Assert.InRange(released, OperatingSystem.IsLinux() ? 1 : 0, 2);
        GC.KeepAlive(held);
    }

    // A configuration that is repeated leaves garbage each time, and a collection of all that is in use would stop requests for as long as it takes.
    [Theory]
    [InlineData(1, 1, 12, false)]
    [InlineData(3, 1, 12, true)]
    [InlineData(3, 0, 12, true)]
    [InlineData(300, 0, 150, true)]
    [InlineData(60, 100, 125, false)]
    [InlineData(60, 100, 155, true)]
    public void LargeHeap_IsCollectedWhereAGoodPartComesBack(int allocated, int live, int committed, bool expected) =>
        Assert.Equal(expected, MemoryTrim.IsWorthCollecting(allocated << 20, live << 20, committed << 20));
}
