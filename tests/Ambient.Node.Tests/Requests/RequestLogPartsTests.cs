using System.Net;
using Ambient.Http;
using Ambient.Mesh;
using Ambient.Node.Requests;

namespace Ambient.Node.Tests.Requests;

public sealed class RequestLogPartsTests
{
    [Fact]
    public void What_OfTheSameTexts_IsThatOfTheLineBefore_OfOthersItIsNot()
    {
        var parts = new RequestLogParts();
        const string Path = "/orders";
        Assert.True(parts.What("GET", "web", Path, HttpProtocolVersion.Http11).IsEmpty);
        parts.KeepWhat("GET", "web", Path, HttpProtocolVersion.Http11, "written"u8);
        Assert.Equal("written"u8, parts.What("GET", "web", Path, HttpProtocolVersion.Http11));
        Assert.True(parts.What("PUT", "web", Path, HttpProtocolVersion.Http11).IsEmpty);
        Assert.True(parts.What("GET", "other", Path, HttpProtocolVersion.Http11).IsEmpty);
        Assert.True(parts.What("GET", "web", new string(Path), HttpProtocolVersion.Http11).IsEmpty);
        Assert.True(parts.What("GET", "web", Path, HttpProtocolVersion.Http2).IsEmpty);
        Assert.True(parts.What("GET", "web", null, HttpProtocolVersion.Http11).IsEmpty);
    }

    [Fact]
    public void What_ThatIsLong_IsNotKept()
    {
        var parts = new RequestLogParts();
        var path = "/" + new string('a', 300);
        parts.KeepWhat("GET", "web", "/", HttpProtocolVersion.Http11, "written"u8);
        parts.KeepWhat("GET", "web", path, HttpProtocolVersion.Http11, new byte[300]);
        Assert.True(parts.What("GET", "web", path, HttpProtocolVersion.Http11).IsEmpty);
        Assert.True(parts.What("GET", "web", "/", HttpProtocolVersion.Http11).IsEmpty);
    }

    [Fact]
    public void How_ThatIsTheSame_IsThatOfTheLineBefore_AndALongOneIsNotKept()
    {
        var parts = new RequestLogParts();
        Assert.True(parts.How(200, null, "-", 1).IsEmpty);
        parts.KeepHow(200, null, "-", 1, "written"u8);
        Assert.Equal("written"u8, parts.How(200, null, new string('-', 1), 1));
        Assert.True(parts.How(201, null, "-", 1).IsEmpty);
        Assert.True(parts.How(200, "0", "-", 1).IsEmpty);
        Assert.True(parts.How(200, null, "UF", 1).IsEmpty);
        Assert.True(parts.How(200, null, "-", 2).IsEmpty);
        var status = new string('1', 300);
        parts.KeepHow(200, status, "-", 1, new byte[300]);
        Assert.True(parts.How(200, status, "-", 1).IsEmpty);
        Assert.True(parts.How(200, null, "-", 1).IsEmpty);
    }

    [Fact]
    public void Source_IsThatOfTheSameMesh_AndOfTheSameClient()
    {
        var parts = new RequestLogParts();
        var client = new IPEndPoint(IPAddress.Loopback, 1);
        var workload = new Workload { Uid = "a", Name = "a-0", Namespace = "app", ServiceAccount = "a", Addresses = [IPAddress.Loopback] };
        Assert.False(parts.TrySource(1, client, out _));
        parts.KeepSource(workload);
        Assert.True(parts.TrySource(1, client, out var known));
        Assert.Same(workload, known);
        Assert.False(parts.TrySource(2, client, out _));
        parts.KeepSource(null);
        Assert.True(parts.TrySource(2, client, out known));
        Assert.Null(known);
        Assert.False(parts.TrySource(2, new IPEndPoint(IPAddress.Loopback, 1), out _));
    }
}
