using System.Runtime.CompilerServices;
using Ambient.Hbone.Sockets;

namespace Ambient.Hbone.Tests.Sockets;

public sealed class IoBuffersTests
{
    [Fact]
    public void Trim_LetsGoOfWhatNobodyUses()
    {
        // Other tests share the shelves, and may have taken a buffer in between; not every time.
        for (var tries = 0; ; tries++)
        {
            var kept = ReturnOne();
            HboneBuffers.Trim();
            GC.Collect();
            if (!kept.TryGetTarget(out _))
            {
                return;
            }

            Assert.True(tries < 50, "buffers outlive Trim");
        }
    }

    [Fact]
    public void Trim_LeavesWhatIsInUse()
    {
        var buffer = IoBuffers.Rent(IoBuffers.Bulk);
        buffer[0] = 7;

        HboneBuffers.Trim();

        Assert.Equal(7, buffer[0]);
        Assert.NotSame(buffer, IoBuffers.Rent(IoBuffers.Bulk));
        IoBuffers.Return(buffer);
    }

    [Fact]
    public void Shelf_HasOneMoreWhileFewAreInUse_AndAgainWhenTheyAreGivenBack()
    {
        var shelf = new IoBuffers.Shelf(IoBuffers.Large, 8);
        var first = shelf.Take();
        byte[][] more = [shelf.TryTake(3)!, shelf.TryTake(3)!];
        Assert.All(more, static buffer => Assert.Equal(IoBuffers.Large, buffer.Length));
        Assert.Null(shelf.TryTake(3));

        // Who must have one gets it, and nobody one more until as many have come back.
        var second = shelf.Take();
        shelf.Put(more[0]);
        Assert.Null(shelf.TryTake(3));

        // What is let go of was not in use.
        shelf.Clear();
        Assert.Null(shelf.TryTake(3));
        shelf.Put(second);
        Assert.Same(second, shelf.TryTake(3));
        shelf.Put(first);
    }

    [Fact]
    public void Spares_AreTakenAgain_AreFew_AndGoWithATrim()
    {
        var spare = new SpareBuffers();
        Assert.Null(spare.TryTake());
        var buffers = Enumerable.Range(0, 5).Select(static _ => new byte[IoBuffers.Small]).ToArray();
        Assert.Equal([true, true, true, true, false], buffers.Select(spare.TryPut));
        Assert.Same(buffers[3], spare.TryTake());
        Assert.True(spare.TryPut(buffers[4]));
        Assert.Same(buffers[4], spare.TryTake());

        HboneBuffers.Trim();

        Assert.Null(spare.TryTake());
        Assert.True(spare.TryPut(buffers[0]));
        Assert.Same(buffers[0], spare.TryTake());
    }

    [Fact]
    public void LargeSpares_AreTakenAgain_AreFew_AndGoWithATrim()
    {
        var spare = new LargeSpares();
        Assert.Null(spare.TryTake(IoBuffers.Medium));
        Assert.Null(spare.TryTake(IoBuffers.Large));
        var medium = new byte[IoBuffers.Medium];
        var large = Enumerable.Range(0, 4).Select(static _ => new byte[IoBuffers.Large]).ToArray();
        Assert.True(spare.TryPut(medium));
        Assert.False(spare.TryPut(new byte[IoBuffers.Medium]));
        Assert.Equal([true, true, true, false], large.Select(spare.TryPut));
        Assert.Same(medium, spare.TryTake(IoBuffers.Medium));
        Assert.Same(large[0], spare.TryTake(IoBuffers.Large));
        Assert.Same(large[1], spare.TryTake(IoBuffers.Large));
        Assert.Same(large[2], spare.TryTake(IoBuffers.Large));
        Assert.Null(spare.TryTake(IoBuffers.Large));

        Assert.True(spare.TryPut(large[0]) && spare.TryPut(medium));
        HboneBuffers.Trim();
        Assert.Null(spare.TryTake(IoBuffers.Large) ?? spare.TryTake(IoBuffers.Medium));

        Assert.True(spare.TryPut(large[1]));
        List<byte[]> given = [];
        spare.End(given.Add);
        Assert.Same(large[1], Assert.Single(given));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference<byte[]> ReturnOne()
    {
        var buffer = IoBuffers.Rent(IoBuffers.Bulk);
        IoBuffers.Return(buffer);
        return new WeakReference<byte[]>(buffer);
    }
}
