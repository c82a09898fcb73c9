using Ambient.Hbone.Connect;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Sockets;
using Ambient.Hbone.Tests.Http2.Connections;
using Ambient.Hbone.Tls.Native;

namespace Ambient.Hbone.Tests.Relaying;

/// <summary>Bulk travels in pieces of one size, whoever sends it and however many share a connection: crumbs cost as much as pieces and carry little.</summary>
public sealed class PieceTests
{
    // A frame that carries less is hardly worth its record and its system calls.
    private const int Crumb = 8 * 1024;

    private const int Piece = IoBuffers.Piece - FrameHeader.Size;

    [Fact]
    public void Piece_WithTlsAroundIt_FitsOneBufferAndOneOffloadedPacket()
    {
        const int records = (IoBuffers.Piece + RecordCipher.MaxContent - 1) / RecordCipher.MaxContent;
        const int size = IoBuffers.Piece + (records * (RecordCipher.Header + 1 + RecordCipher.Tag));
        Assert.True(size <= IoBuffers.Large);
        Assert.InRange(size, 43 * 1448, 44 * 1448);
    }

    [Fact]
    public async Task ManyRelaysInBulk_TakeTurnsInPieces_AndNotInCrumbs()
    {
        await using var harness = ConnectionHarness.StartServer(capacity: 64 * 1024);
        await harness.Peer.HandshakeAsync((SettingId.InitialWindowSize, int.MaxValue), (SettingId.MaxFrameSize, 1024 * 1024));
        await harness.Peer.SendWindowUpdateAsync(0, int.MaxValue - 65535);
        await using var floods = await Floods.StartAsync(harness, 12, reading: false);
        await floods.StandStillAsync();
        var sizes = await ReceiveAsync(harness, 16_000_000);

        // What was at hand when the sockets were first looked at may be small, and each stream has such a beginning.
        Assert.InRange(sizes.Count(static size => size < Crumb), 0, 60);
        Assert.InRange(sizes.Average(), 3 * IoBuffers.Medium / 2, IoBuffers.Piece);
    }

    [Fact]
    public async Task LongWrite_ThatWaitedForTheWindow_LeavesInFramesOfWhichNoneIsACrumb()
    {
        await using var harness = await ConnectionHarness.ServerAsync(null, (SettingId.InitialWindowSize, 0), (SettingId.MaxFrameSize, 1024 * 1024));
        await harness.Peer.SendWindowUpdateAsync(0, int.MaxValue - 65535);
        await using var tunnel = await harness.AcceptAsync(1);
        var writing = tunnel.Output.WriteAsync(new byte[1_000_000]);
        await harness.Peer.SendWindowUpdateAsync(1, 1_000_000);
        var sizes = await ReceiveAsync(harness, 1_000_000);
        await writing;

        // The writer's first and last buffers are small.
        Assert.InRange(sizes.Count(static size => size < Crumb), 0, 2);
    }

    [Theory]
    [InlineData(int.MaxValue, Piece, 0, 4)]
    [InlineData(int.MaxValue, Piece, 1, 3)]
    [InlineData(int.MaxValue, Piece, 3, 1)]
    [InlineData(int.MaxValue, Piece, 4, 1)]
    [InlineData(int.MaxValue, Piece, 6, 1)]
    [InlineData(int.MaxValue, Piece - 1, 0, 1)]
    [InlineData((3 * Piece) - 1, Piece, 0, 2)]
    [InlineData(Piece, Piece, 0, 1)]
    [InlineData(0, Piece, 0, 1)]
    public async Task SourceWithMuchAtHand_IsAskedForSeveralPieces_AsTheWindowIsOpenAndLittleIsHeld(int window, int piece, int held, int expected)
    {
        await using var harness = await ConnectionHarness.ServerAsync(null, (SettingId.InitialWindowSize, 0));
        await harness.Peer.SendWindowUpdateAsync(0, int.MaxValue - 65535);
        var other = ((StreamTunnel)await harness.AcceptAsync(1)).Stream;
        var stream = ((StreamTunnel)await harness.AcceptAsync(3)).Stream;
        if (window > 0)
        {
            await harness.Peer.SendWindowUpdateAsync(3, window);
            await harness.Peer.SettleAsync();
        }

        for (var i = 0; i < held; i++)
        {
            Assert.True(other.Queue(IoBuffers.Rent(IoBuffers.Large), FrameHeader.Size, Piece));
        }

        Assert.Equal(expected, stream.PiecesAhead(piece));
    }

    [Fact]
    public async Task WindowOfTwoPiecesAndAHalf_IsWhatAnApplicationWithMoreAtHandIsAskedFor()
    {
        await using var harness = await ConnectionHarness.ServerAsync(null, (SettingId.InitialWindowSize, 0), (SettingId.MaxFrameSize, 1024 * 1024));
        await harness.Peer.SendWindowUpdateAsync(0, int.MaxValue - 65535);
        await using var floods = await Floods.StartAsync(harness, 1);
        await floods.StandStillAsync();
        const int window = (5 * Piece) / 2;
        await harness.Peer.SendWindowUpdateAsync(1, window);
        Assert.Equal(window, (await ReceiveAsync(harness, window)).Sum());
        await floods.StandStillAsync();

        // At most what was read as the window closed: one small buffer.
        Assert.InRange(harness.Connection.BufferedBytes, 1, IoBuffers.Small);
    }

    private static async Task<List<int>> ReceiveAsync(ConnectionHarness harness, int bytes)
    {
        var sizes = new List<int>();
        while (bytes > 0)
        {
            sizes.Add((await harness.Peer.ExpectAsync(FrameType.Data)).Payload.Length);
            bytes -= sizes[^1];
        }

        return sizes;
    }
}
