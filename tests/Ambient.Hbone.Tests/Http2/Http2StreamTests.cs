using Ambient.Hbone.Http2;

namespace Ambient.Hbone.Tests.Http2;

public sealed class Http2StreamTests
{
    [Fact]
    public async Task Closed_AskedForAtTheMomentOfTheEnd_IsCancelled()
    {
        for (var i = 0; i < 5_000; i++)
        {
            // Nothing of the connection is asked for.
            var stream = new Http2Stream(null!, 1);
            using var together = new Barrier(2);
            var ending = Task.Run(() =>
            {
                together.SignalAndWait();
                stream.OnClosed();
            });
            together.SignalAndWait();
            var closed = stream.Closed;
            await ending;
            if (!closed.IsCancellationRequested)
            {
                // It is told on another thread.
                await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Task.Delay(TimeSpan.FromSeconds(30), closed));
            }

            Assert.True(stream.Closed.IsCancellationRequested);
        }
    }
}
