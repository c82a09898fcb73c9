using System.Text.Json;
using Ambient.Hbone;
using Ambient.Node.Hosting.Waypoint;
using Ambient.Node.Tests.Requests;

namespace Ambient.Node.Tests.Waypoint;

public sealed class WaypointDumpTests
{
    [Fact]
    public async Task Tls_IsNamedWithTheAdviceThatThereIs()
    {
        await using var mesh = new TestMesh();
        var node = await mesh.StartWaypointAsync();

        using var dump = JsonDocument.Parse(new WaypointDump(node, mesh.Store, mesh.Svids).Write());

        var tls = dump.RootElement.GetProperty("tls");
        Assert.Equal(HboneTls.Description, tls.GetProperty("engine").GetString());
        Assert.Equal(HboneTls.Advice, tls.TryGetProperty("advice", out var advice) ? advice.GetString() : null);
    }
}
