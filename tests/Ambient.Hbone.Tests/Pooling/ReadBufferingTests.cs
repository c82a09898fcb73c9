using System.Buffers;

namespace Ambient.Hbone.Tests.Pooling;

public sealed class ReadBufferingTests
{
    [Fact]
    [Trait("Reference", "read_buffering")]
    public async Task WhatWasReceived_CanBeRead_AfterTheClientIsGone()
    {
        await using var pair = new HbonePair().Start(async (connect, token) =>
        {
            await using var tunnel = connect.Accept();
            await tunnel.Output.WriteAsync("poolsrv\nhello"u8.ToArray(), token);
            await Task.Delay(Timeout.Infinite, token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        });
        var tunnel = await pair.ConnectAsync();
        var read = await tunnel.Input.ReadAtLeastAsync(13).AsTask().WaitAsync(HbonePair.Patience);
        tunnel.Input.AdvanceTo(read.Buffer.GetPosition(8));

        await pair.Client.DisposeAsync();

        Assert.True(tunnel.Input.TryRead(out read));
        Assert.Equal("hello"u8.ToArray(), read.Buffer.ToArray());
        tunnel.Input.AdvanceTo(read.Buffer.End);
        await Assert.ThrowsAsync<IOException>(() => tunnel.Input.ReadAsync().AsTask().WaitAsync(HbonePair.Patience));
    }
}
