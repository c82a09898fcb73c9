using System.Buffers;
using System.Text;
using System.Text.Json;
using Ambient.Node.Admin.Dumps;
using Ambient.Node.Capture.InPod;

namespace Ambient.Node.Tests.Hosting;

public sealed class WorkloadStateDumpTests
{
    [Fact]
    [Trait("Reference", "test_proxy_state")]
    public void Pods_ArePendingThenUpThenGone()
    {
        var info = new PodInfo("ns", "name", "sa");

        Assert.Equal("""{"uid1":{"info":{"name":"name","namespace":"ns","serviceAccount":"sa"},"state":"Pending"}}""", Text([new PodState("uid1", info, null)]));
        Assert.Equal(
            """{"uid1":{"connections":{"inbound":[],"outbound":[]},"info":{"name":"name","namespace":"ns","serviceAccount":"sa"},"state":"Up"}}""",
            Text([new PodState("uid1", info, new object())]));
        Assert.Equal("{}", Text([]));
    }

    private static string Text(PodState[] pods)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            WorkloadStateDump.Write(json, pods, []);
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
