using Ambient.Hbone.Connect;
using Ambient.Hbone.Pooling;

namespace Ambient.Hbone.Tests.Pooling;

/// <summary>A dial that fails is one dial, however fast it fails.</summary>
public sealed class FailedDialTests
{
    [Fact]
    public async Task Reserve_DialThatFailsAtOnce_FailsWithItAndDialsOnce()
    {
        var dials = 0;
        using var pool = new ConnectionPool<string, Never>(
            (_, _) =>
            {
                dials++;
                return Task.FromException<Never>(new HboneException(HboneFailure.TlsFailed, "refused"));
            },
            TimeSpan.FromMinutes(1),
            TimeProvider.System);

        var failure = await Assert.ThrowsAsync<HboneException>(() => pool.ReserveAsync("key", 0, CancellationToken.None).AsTask());

        Assert.Equal("refused", failure.Message);
        Assert.Equal(1, dials);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Reserve_EveryConnectionGoesAwayAsSoonAsItIsThere_GivesUp(int looks)
    {
        var dials = 0;
        using var pool = new ConnectionPool<string, Fleeting>(
            (_, _) => ++dials < 100
                ? Task.FromResult(new Fleeting(looks))
                : Task.FromException<Fleeting>(new HboneException(HboneFailure.TlsFailed, "dialed for ever")),
            TimeSpan.FromMinutes(1),
            TimeProvider.System);

        var failure = await Assert.ThrowsAsync<HboneException>(() => pool.ReserveAsync("key", 0, CancellationToken.None).AsTask().WaitAsync(HbonePair.Patience));

        Assert.Equal(HboneFailure.Http2Failed, failure.Failure);
        Assert.InRange(dials, 2, 20);
    }

    /// <summary>A connection that takes streams when it is looked at first, and no more after some looks: its peer goes away at that moment.</summary>
    private sealed class Fleeting(int looks) : IPooledConnection
    {
        private int _looks = looks;

        public bool CanOpen => Interlocked.Decrement(ref _looks) >= 0;

        public int StreamLimit => 1;

        public void ShutDown()
        {
        }

        public void Tick()
        {
        }
    }

    private sealed class Never : IPooledConnection
    {
        public bool CanOpen => false;

        public int StreamLimit => 0;

        public void ShutDown()
        {
        }

        public void Tick()
        {
        }
    }
}
