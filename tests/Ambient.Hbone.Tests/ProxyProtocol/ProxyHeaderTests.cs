using System.Net;
using Ambient.Hbone.ProxyProtocol;
using Ambient.Identity;
using Ambient.Testing.Fuzzing;

namespace Ambient.Hbone.Tests.ProxyProtocol;

public sealed class ProxyHeaderTests
{
    private static readonly SpiffeId Sleep = SpiffeId.ForServiceAccount("cluster.local", "default", "sleep");

    private static ProxyHeader Header(string source, string destination, bool identity = true) => new()
    {
        Source = IPEndPoint.Parse(source),
        Destination = IPEndPoint.Parse(destination),
        Identity = identity ? Sleep : null,
    };

    [Theory]
    [InlineData("10.0.0.1:40000", "10.0.0.2:80", true)]
    [InlineData("10.0.0.1:40000", "10.0.0.2:80", false)]
    [InlineData("[2001:db8::1]:40000", "[2001:db8::2]:80", true)]
    public void ReadBack_SaysTheSame(string source, string destination, bool identity)
    {
        var header = Header(source, destination, identity);
        byte[] bytes = [.. header.ToArray(), 0x47, 0x45, 0x54];

        Assert.True(ProxyHeader.TryRead(bytes, out var read, out var length));
        Assert.Equal(header, read);
        Assert.Equal(bytes.Length - 3, length);
    }

    [Fact]
    public void Bytes_OfTcp4_AreThoseOfTheSpecification()
    {
        var bytes = Header("1.2.3.4:258", "5.6.7.8:772", identity: false).ToArray();

        Assert.Equal("0D0A0D0A000D0A515549540A" + "2111000C" + "01020304" + "05060708" + "01020304", Convert.ToHexString(bytes));
        Assert.Equal("D0" + "002A", Convert.ToHexString(Header("1.2.3.4:258", "5.6.7.8:772").ToArray().AsSpan(28, 3)));
    }

    [Fact]
    public void Families_Mixed_AreUnspecified()
    {
        Assert.True(ProxyHeader.TryRead(Header("10.0.0.1:1", "[::1]:80").ToArray(), out var read, out _));

        Assert.Equal(new ProxyHeader { Identity = Sleep }, read);
        Assert.True(ProxyHeader.TryRead(Header("[::ffff:10.0.0.1]:1", "10.0.0.2:80").ToArray(), out var mapped, out _));
        Assert.Equal("10.0.0.1:1", mapped!.Source!.ToString());
    }

    [Fact]
    public void Local_SaysNothingOfAClient()
    {
        var bytes = Header("10.0.0.1:1", "10.0.0.2:80").ToArray();
        bytes[12] = 0x20;

        Assert.True(ProxyHeader.TryRead(bytes, out var read, out var length));
        Assert.Equal((new ProxyHeader(), bytes.Length), (read, length));
    }

    [Fact]
    public void EveryPrefix_WantsMore()
    {
        var bytes = Header("10.0.0.1:1", "10.0.0.2:80").ToArray();

        Assert.All(Enumerable.Range(0, bytes.Length), count => Assert.False(ProxyHeader.TryRead(bytes.AsSpan(0, count), out _, out _)));
    }

    [Theory]
    [InlineData(0, 0x47, "signature")]
    [InlineData(12, 0x11, "version and command 0x11")]
    [InlineData(12, 0x22, "version and command 0x22")]
    [InlineData(13, 0x12, "0x12 are not TCP")]
    [InlineData(13, 0x31, "0x31 are not TCP")]
    [InlineData(14, 0xFF, "longer than 4096")]
    [InlineData(30, 0xFF, "a value is longer than the header")]
    [InlineData(31, 0x00, "no SPIFFE ID")]
    public void Wrong_IsRefusedWithTheReason(int at, byte value, string reason)
    {
        var bytes = Header("10.0.0.1:1", "10.0.0.2:80").ToArray();
        bytes[at] = value;

        Assert.Contains(reason, Assert.Throws<InvalidDataException>(() => ProxyHeader.TryRead(bytes, out _, out _)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TwoIdentities_AreRefused()
    {
        var one = Header("10.0.0.1:1", "10.0.0.2:80").ToArray();
        byte[] two = [.. one, .. one.AsSpan(28)];
        two[15] = (byte)(two.Length - 16);

        Assert.Contains("two identities", Assert.Throws<InvalidDataException>(() => ProxyHeader.TryRead(two, out _, out _)).Message, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public void RandomChanges_AreRefusedOrUnderstood()
    {
        byte[][] seeds = [Header("10.0.0.1:1", "10.0.0.2:80").ToArray(), Header("[::1]:1", "[::2]:80").ToArray()];
        FuzzBudget.Run(100_000, random =>
        {
            var seed = seeds[random.Next(2)];

            // Mostly with the signature whole: without it nothing is read at all.
            byte[] bytes = random.Next(3) == 0 ? Damage.Of(seed, random) : [.. seed[..12], .. Damage.Of(seed.AsSpan(12), random)];

            try
            {
                if (ProxyHeader.TryRead(bytes.AsSpan(0, random.Next(bytes.Length + 1)), out var header, out var length))
                {
                    Assert.NotNull(header);
                    Assert.InRange(length, 16, bytes.Length);
                }
            }
            catch (InvalidDataException)
            {
            }
        });
    }
}
