using System.Net;
using Ambient.Node.Sockets;

namespace Ambient.Node.Tests.Capture;

public sealed class OriginalDestinationTests
{
    [Fact]
    public void Parse_SocketAddresses_OfBothFamilies()
    {
        Assert.Equal(new IPEndPoint(IPAddress.Parse("10.96.0.10"), 9080), OriginalDestination.Parse([2, 0, 0x23, 0x78, 10, 96, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0]));
        byte[] v6 = [10, 0, 0, 80, 0, 0, 0, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        Assert.Equal(new IPEndPoint(IPAddress.Parse("2001:db8::1"), 80), OriginalDestination.Parse(v6));
        byte[] mapped = [10, 0, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1, 0, 0, 0, 0];
        Assert.Equal(new IPEndPoint(IPAddress.Parse("10.0.0.1"), 80), OriginalDestination.Parse(mapped));
        Assert.Null(OriginalDestination.Parse([1, 0, 0, 80, 0, 0, 0, 0]));
        Assert.Null(OriginalDestination.Parse([2, 0]));
        Assert.Null(OriginalDestination.Parse([10, 0, 0, 80, 0, 0, 0, 0]));
    }
}
