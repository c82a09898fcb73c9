using System.Net;
using Ambient.Node.Discovery.Documents;

namespace Ambient.Node.Tests.Discovery;

public sealed class IPTextTests
{
    [Theory]
    [InlineData("10.0.0.1", "10.0.0.1")]
    [InlineData("0.0.0.0", "0.0.0.0")]
    [InlineData("fd00::1", "fd00::1")]
    [InlineData("::ffff:1.2.3.4", "1.2.3.4")]
    public void Address_Valid_IsRead(string text, string expected)
    {
        Assert.True(IPText.TryParseAddress(text, out var address));
        Assert.Equal(IPAddress.Parse(expected), address);
    }

    [Theory]
    [InlineData("")]
    [InlineData("1")]
    [InlineData("127.1")]
    [InlineData("010.0.0.1")]
    [InlineData("0x7f.0.0.1")]
    [InlineData("1.2.3.4.5")]
    [InlineData("1.2.3.256")]
    [InlineData("1.2.3.4 ")]
    [InlineData("[::1]")]
    [InlineData("fe80::1%eth0")]
    [InlineData("::1/64")]
    [InlineData("localhost")]
    public void Address_Invalid_IsRefused(string text) => Assert.False(IPText.TryParseAddress(text, out _));

    [Theory]
    [InlineData("10.1.2.3", "10.1.2.3/32")]
    [InlineData("10.1.2.3/8", "10.0.0.0/8")]
    [InlineData("10.1.2.3/0", "0.0.0.0/0")]
    [InlineData("fd12::1/9", "fd00::/9")]
    [InlineData("::1", "::1/128")]
    public void Range_Valid_IsReadAndMasked(string text, string expected)
    {
        Assert.True(IPText.TryParseRange(text, out var range));
        Assert.Equal(IPNetwork.Parse(expected), range);
    }

    [Theory]
    [InlineData("10.0.0.0/33")]
    [InlineData("10.0.0.0/-1")]
    [InlineData("10.0.0.0/08")]
    [InlineData("10.0.0.0/")]
    [InlineData("/8")]
    [InlineData("::/129")]
    public void Range_Invalid_IsRefused(string text) => Assert.False(IPText.TryParseRange(text, out _));
}
