using Ambient.Node.Lifetime;
using Microsoft.Extensions.Time.Testing;

namespace Ambient.Node.Tests.Lifetime;

public sealed class MemoryTrimTests
{
    // How often it looks.
    private static readonly TimeSpan s_step = TimeSpan.FromSeconds(0.7);

    [Fact]
    public void Look_WhenNeverQuiet_ReleasesWhatTheStartLeft_AndThenSeldom()
    {
        var (time, used, released) = (new FakeTimeProvider(), TimeSpan.Zero, 0);
        using var trim = new MemoryTrim(time, () => used, () => ++released);

        Busy(4);
        Assert.Equal(0, released);
        Busy(3);
        Assert.Equal(1, released);
        Busy(200);
        Assert.Equal(1, released);
        Busy(120);
        Assert.Equal(2, released);

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
    public void Look_OnceQuiet_ReleasesOnce()
    {
        var (time, used, released) = (new FakeTimeProvider(), TimeSpan.FromSeconds(1), 0);
        using var trim = new MemoryTrim(time, () => used, () => ++released);

        // Busy at the first look, quiet from there on.
        for (var i = 0; i < 400; i++)
        {
            time.Advance(s_step);
        }

        Assert.InRange(released, 1, 2);
    }
}
