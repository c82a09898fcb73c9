using System.Net;
using System.Net.Sockets;
using Ambient.Node.Authorities;

namespace Ambient.Node.Tests.Authorities;

/// <summary>SPIFFE_ENDPOINT_SOCKET as its specification has it (SPIFFE Workload Endpoint, section 4).</summary>
public sealed class WorkloadApiAddressTests
{
    [Theory]
    [InlineData("unix:///run/spire/agent.sock", "/run/spire/agent.sock")]
    [InlineData("unix:/run/spire/agent.sock", "/run/spire/agent.sock")]
    [InlineData("UNIX:///run/agent.sock", "/run/agent.sock")]
    [InlineData("unix:///run/my%20agent.sock", "/run/my agent.sock")]
    public void Unix_IsAnAbsolutePath(string text, string path)
    {
        Assert.True(WorkloadApiAddress.TryParse(text, out var address, out _));
        Assert.Equal(new UnixDomainSocketEndPoint(path), address.EndPoint);
        Assert.False(address.LeavesTheMachine);
        Assert.Equal(text, address.ToString());
    }

    [Theory]
    [InlineData("tcp://127.0.0.1:8081", "127.0.0.1", 8081, false)]
    [InlineData("tcp://[::1]:8081", "::1", 8081, false)]
    [InlineData("tcp://169.254.1.1:80", "169.254.1.1", 80, true)]
    [InlineData("tcp://10.0.0.1:8081", "10.0.0.1", 8081, true)]
    public void Tcp_IsAnAddressAndAPort(string text, string address, int port, bool leaves)
    {
        Assert.True(WorkloadApiAddress.TryParse(text, out var parsed, out _));
        Assert.Equal(new IPEndPoint(IPAddress.Parse(address), port), parsed.EndPoint);
        Assert.Equal(leaves, parsed.LeavesTheMachine);
    }

    [Theory]
    [InlineData("/run/agent.sock", "neither unix:///path nor tcp://address:port")]
    [InlineData("", "neither unix:///path nor tcp://address:port")]
    [InlineData("https://127.0.0.1:8081", "neither unix:///path nor tcp://address:port")]
    [InlineData("unix://run/agent.sock", "not absolute")]
    [InlineData("unix:run/agent.sock", "not absolute")]
    [InlineData("unix:", "not absolute")]
    [InlineData("unix://", "not absolute")]
    [InlineData("unix:///", "no file's")]
    [InlineData("unix:///run/", "no file's")]
    [InlineData("unix:///run/a%00b", "no file's")]
    [InlineData("unix:///run/agent.sock?x=1", "no query")]
    [InlineData("unix:///run/agent.sock#x", "no fragment")]
    [InlineData("unix:///0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789/agent.sock", "longer than 107 bytes")]
    [InlineData("tcp://agent:8081", "no name")]
    [InlineData("tcp://127.0.0.1", "a port")]
    [InlineData("tcp://127.0.0.1:0", "a port")]
    [InlineData("tcp://127.0.0.1:65536", "a port")]
    [InlineData("tcp://127.0.0.1:8081/", "nothing after them")]
    [InlineData("tcp://user@127.0.0.1:8081", "IP address")]
    [InlineData("tcp:127.0.0.1:8081", "IP address")]
    [InlineData("tcp://", "IP address")]
    public void AnythingElse_IsRefusedAndSaysWhy(string text, string reason)
    {
        Assert.False(WorkloadApiAddress.TryParse(text, out _, out var fault));
        Assert.Contains(reason, fault, StringComparison.Ordinal);
    }
}
