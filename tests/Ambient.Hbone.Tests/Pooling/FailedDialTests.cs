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

        var failure = await Assert.ThrowsAsync<HboneException>(() => pool.ReserveAsync("key", CancellationToken.None).AsTask());

        Assert.Equal("refused", failure.Message);
        Assert.Equal(1, dials);
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
