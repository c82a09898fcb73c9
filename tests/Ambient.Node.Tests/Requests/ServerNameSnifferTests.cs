using System.Net.Security;
using Ambient.Node.Requests;

namespace Ambient.Node.Tests.Requests;

public sealed class ServerNameSnifferTests
{
    [Theory]
    [InlineData("secret.example", "secret.example")]
    [InlineData("SECRET.example", "secret.example")]
    [InlineData("", "")]
    [InlineData("127.0.0.1", "")]
    public async Task Hello_OfARealClient_TellsItsServer(string asked, string name)
    {
        var hello = await HelloAsync(asked);
        Assert.True(ServerNameSniffer.TryRead(hello, out var found));
        Assert.Equal(name, found);

        // Every beginning of it asks for more.
        for (var length = 0; length < hello.Length; length++)
        {
            Assert.False(ServerNameSniffer.TryRead(hello.AsSpan(0, length), out _), $"{length} of {hello.Length} bytes");
        }
    }

    [Fact]
    public async Task Hello_CutIntoRecords_TellsItsServer()
    {
        var hello = await HelloAsync("secret.example");
        var cut = new List<byte>();
        foreach (var piece in hello[5..].Chunk(7))
        {
            cut.AddRange([0x16, 3, 1, 0, (byte)piece.Length, .. piece]);
        }

        Assert.True(ServerNameSniffer.TryRead(cut.ToArray(), out var found));
        Assert.Equal("secret.example", found);
    }

    [Fact]
    public void Bytes_ThatAreNotTls_HaveNoServer()
    {
        Assert.True(ServerNameSniffer.TryRead("SSH-2.0"u8, out var name));
        Assert.Equal("", name);
    }

    [Fact]
    public async Task Hello_Damaged_NeverThrows()
    {
        var hello = await HelloAsync("secret.example");
        for (var at = 0; at < hello.Length; at++)
        {
            foreach (var value in (ReadOnlySpan<byte>)[0, 1, 0x7F, 0xFF])
            {
                var damaged = (byte[])hello.Clone();
                damaged[at] = value;
                ServerNameSniffer.TryRead(damaged, out _);
            }
        }
    }

    internal static async Task<byte[]> HelloAsync(string name)
    {
        using var wire = new MemoryStream();
        using var tls = new SslStream(new OneWay(wire));
        await Assert.ThrowsAnyAsync<Exception>(() => tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = name }));
        return wire.ToArray();
    }

    /// <summary>Keeps what is written, and ends as soon as something is read.</summary>
    private sealed class OneWay(MemoryStream written) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => 0;

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => written.Write(buffer, offset, count);
    }
}
