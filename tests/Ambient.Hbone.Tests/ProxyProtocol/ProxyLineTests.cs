using System.Text;
using Ambient.Hbone.ProxyProtocol;

namespace Ambient.Hbone.Tests.ProxyProtocol;

public sealed class ProxyLineTests
{
    [Theory]
    [InlineData("PROXY TCP4 255.255.255.255 1.2.3.4 65535 0", "255.255.255.255:65535", "1.2.3.4:0")]
    [InlineData("PROXY TCP6 2001:db8::1 ::1 1 2", "[2001:db8::1]:1", "[::1]:2")]
    [InlineData("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535")]
    [InlineData("PROXY UNKNOWN", null, null)]
    [InlineData("PROXY UNKNOWN whatever there is", null, null)]
    public void Line_IsRead(string line, string? source, string? destination)
    {
        var header = ProxyLine.Read(Encoding.ASCII.GetBytes(line + "\r\n"));
        Assert.Equal((source, destination), (header.Source?.ToString(), header.Destination?.ToString()));
        Assert.Null(header.Identity);
    }

    [Theory]
    [InlineData("PROXY TCP4 1.2.3.4 1.2.3.4 1 2")]
    [InlineData("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n")]
    [InlineData("PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n")]
    [InlineData("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n")]
    [InlineData("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n")]
    [InlineData("PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n")]
    [InlineData("PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n")]
    [InlineData("PROXY TCP4 ::1 ::1 1 2\r\n")]
    [InlineData("PROXY TCP6 1.2.3.4 ::1 1 2\r\n")]
    [InlineData("PROXY TCP6 [::1] ::1 1 2\r\n")]
    [InlineData("PROXY TCP6 fe80::1%1 ::1 1 2\r\n")]
    [InlineData("PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n")]
    [InlineData("PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n")]
    [InlineData("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n")]
    [InlineData("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n")]
    [InlineData("proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n")]
    [InlineData("PROXY UNKNOWN \u00e4\r\n")]
    [InlineData("PROXY UNKNOWN xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n")]
    public void WhatIsNoLine_IsRefused(string line) => Assert.Throws<InvalidDataException>(() => ProxyLine.Read(Encoding.Latin1.GetBytes(line)));

    [Theory]
    [InlineData("PROXY TCP4 255.255.255.255 1.2.3.4 65535 0\r\n")]
    [InlineData("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n")]
    [InlineData("PROXY UNKNOWN\r\n")]
    public void EveryPrefix_IsTheBeginningOfALine_AndNone(string line)
    {
        var bytes = Encoding.ASCII.GetBytes(line);
        for (var count = 0; count < bytes.Length; count++)
        {
            Assert.True(ProxyLine.IsBegun(bytes.AsSpan(0, count)));
            Assert.Throws<InvalidDataException>(() => ProxyLine.Read(bytes.AsSpan(0, count)));
        }

        Assert.NotNull(ProxyLine.Read(bytes));
    }

    [Fact]
    public void Beginning_IsKnownByItsFirstWord()
    {
        Assert.True(ProxyLine.IsBegun("PRO"u8));
        Assert.True(ProxyLine.IsBegun("PROXY TCP4 1"u8));
        Assert.False(ProxyLine.IsBegun("PROXIMITY"u8));
        Assert.False(ProxyLine.IsBegun("\r\n\r\n"u8));
    }
}
