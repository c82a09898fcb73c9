using Ambient.Hbone.Http2.HPack;

namespace Ambient.Hbone.Tests.Http2.HPack;

public class HPackEncoderTests
{
    [Fact]
    public void WriteHeader_SecondTime_IsOneByte()
    {
        var encoder = new HPackEncoder();
        Assert.True(HPackBlocks.Encode(encoder, (":authority", "10.0.0.1:80", HeaderIndexing.Incremental)).Length > 5);
        Assert.Equal([0xbe], HPackBlocks.Encode(encoder, (":authority", "10.0.0.1:80", HeaderIndexing.Incremental)));
    }

    [Fact]
    public void WriteHeader_Status200_IsOneByte() =>
        Assert.Equal([0x88], HPackBlocks.Encode(new HPackEncoder(), (":status", "200", HeaderIndexing.Without)));

    [Fact]
    public void WriteHeader_Never_IsMarkedAndNotIndexedEvenIfKnown()
    {
        var encoder = new HPackEncoder();
        HPackBlocks.Encode(encoder, ("cookie", "a", HeaderIndexing.Incremental));
        Assert.Equal(0x10, HPackBlocks.Encode(encoder, ("cookie", "a", HeaderIndexing.Never))[0] & 0xf0);
    }

    [Fact]
    public void WriteHeader_PeerTableOfZero_NeverRefersToIt()
    {
        var encoder = new HPackEncoder();
        encoder.SetPeerTableSize(0);
        var first = HPackBlocks.Encode(encoder, ("x", "y", HeaderIndexing.Incremental));
        Assert.Equal([0x20, 0x00, 1, (byte)'x', 1, (byte)'y'], first);
        Assert.Equal(first[1..], HPackBlocks.Encode(encoder, ("x", "y", HeaderIndexing.Incremental)));
    }

    [Fact]
    public void SetPeerTableSize_DownAndUpBetweenBlocks_AnnouncesBoth()
    {
        var encoder = new HPackEncoder();
        HPackBlocks.Encode(encoder, ("x", "y", HeaderIndexing.Incremental));
        encoder.SetPeerTableSize(10);
        encoder.SetPeerTableSize(uint.MaxValue);
        var block = HPackBlocks.Encode(encoder, ("x", "y", HeaderIndexing.Incremental));
        Assert.Equal([0x2a, 0x3f, 0xe1, 0x1f, 0x40], block[..5]);
    }

    [Fact]
    public void SetPeerTableSize_LargerThanOurLimit_IsNotUsed()
    {
        var encoder = new HPackEncoder();
        encoder.SetPeerTableSize(1_000_000);
        Assert.Equal([0x82], HPackBlocks.Encode(encoder, (":method", "GET", HeaderIndexing.Incremental)));
    }

    [Fact]
    public void WriteHeader_LimitBelowDefault_IsAnnouncedFirst() =>
        Assert.Equal([0x3f, 0x45, 0x82], HPackBlocks.Encode(new HPackEncoder(100), (":method", "GET", HeaderIndexing.Incremental)));
}
