using Ambient.Node.ControlPlane;

namespace Ambient.Node.Tests.ControlPlane;

public sealed class ArrayPagesTests
{
    [SkippableFact]
    public void Release_GivesBackWholePages_AndLeavesWhatLiesBesideThem()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "other systems have no such call");
        var array = GC.AllocateUninitializedArray<byte>((1 << 20) + 77, pinned: true);
        Array.Fill(array, (byte)7);

        var released = ArrayPages.Release(array);

        Assert.InRange(released, array.Length - (2 * Environment.SystemPageSize), array.Length);
        Assert.Equal(released, array.Count(static value => value == 0));
        Assert.Equal(7, array[0]);
        Assert.Equal(7, array[^1]);

        // It is an array as before.
        Array.Fill(array, (byte)8);
        Assert.DoesNotContain(array, static value => value != 8);
    }

    [Fact]
    public void Release_OfWhatHasNoWholePage_ChangesNothing()
    {
        var array = GC.AllocateArray<byte>(100, pinned: true);
        Array.Fill(array, (byte)7);

        Assert.Equal(0, ArrayPages.Release(array));
        Assert.DoesNotContain(array, static value => value != 7);
        Assert.Equal(0, ArrayPages.Release([]));
    }
}
