using System.IO.Pipelines;
using System.Text;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Relaying;

namespace Ambient.Hbone.Tests.Messages;

/// <summary>A look at bytes that need not come, and what comes after it.</summary>
public sealed class PeekTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Look_ThatNothingCameFor_LeavesTheChannelWhole()
    {
        var pipe = new Pipe();
        await using var client = MessageChannel.Over(new Duplex(pipe.Reader.AsStream(), Stream.Null));
        using var patience = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        Assert.True((await client.PeekPatientlyAsync(100, patience.Token, CancellationToken.None)).IsEmpty);

        // The wait that was given up on is what whoever looks next goes on with.
        var looking = client.PeekPatientlyAsync(100, CancellationToken.None, CancellationToken.None).AsTask();
        await pipe.Writer.WriteAsync("hello"u8.ToArray());
        Assert.Equal("hello", Encoding.ASCII.GetString((await looking.WaitAsync(s_patience)).Span));

        // And what was seen is relayed first.
        await pipe.Writer.WriteAsync(" there"u8.ToArray());
        await pipe.Writer.CompleteAsync();
        using var sink = new MemoryStream();
        await using var server = MessageChannel.Over(new Duplex(new MemoryStream(), sink));
        var counters = new RelayCounters();
        var outcome = await Relay.RunAsync(client, server, counters, CancellationToken.None).AsTask().WaitAsync(s_patience);
        Assert.Equal(RelayEnd.Complete, outcome.End);
        Assert.Equal("hello there", Encoding.ASCII.GetString(sink.ToArray()));
        Assert.Equal(11, counters.ClientToServer);
    }

    [Fact]
    public async Task Abort_EndsARelayThatIdles()
    {
        var (up, down) = (new Pipe(), new Pipe());
        await using var client = MessageChannel.Over(new Duplex(up.Reader.AsStream(), Stream.Null));
        await using var server = MessageChannel.Over(new Duplex(down.Reader.AsStream(), Stream.Null));
        using var abort = new CancellationTokenSource();
        var relaying = Relay.RunAsync(client, server, new RelayCounters(), abort.Token).AsTask();
        await Task.Delay(20);
        Assert.False(relaying.IsCompleted);
        await abort.CancelAsync();
        Assert.Equal(RelayEnd.Aborted, (await relaying.WaitAsync(s_patience)).End);
    }

    /// <summary>Reads from one stream and writes to another.</summary>
    private sealed class Duplex(Stream input, Stream output) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush() => output.Flush();

        public override int Read(byte[] buffer, int offset, int count) => input.Read(buffer, offset, count);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => input.ReadAsync(buffer, cancellationToken);

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => output.Write(buffer, offset, count);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => output.WriteAsync(buffer, cancellationToken);
    }
}
