using System.Net;
using System.Text;
using Ambient.Node.Admin.Server;
using Ambient.Node.Connections;
using Ambient.Node.Telemetry.Metrics;

namespace Ambient.Node.Tests.Diagnostics;

public sealed class DebugEndpointsTests
{
    [Fact]
    public void Connections_AreListedWhileTheyAreOpen()
    {
        var kit = new DiagnosticsKit();
        var table = new ConnectionTable(new ConnectionLog(kit.Loggers), null, null, TimeProvider.System);
        var debug = new DebugEndpoints(table);
        var connection = table.Open(
            new ConnectionParties
            {
                Direction = TrafficDirection.Outbound,
                Source = IPEndPoint.Parse("10.0.0.1:4000"),
                Destination = IPEndPoint.Parse("10.0.0.2:15008"),
                HboneAddress = "10.0.0.2:80",
            },
            0);

        Assert.Contains("outbound 10.0.0.1:4000 -> 10.0.0.2:15008 for 10.0.0.2:80, 0 bytes to the server, 0 to the client", Text(debug, "/debug/connections", 200), StringComparison.Ordinal);
        connection.Close(default, null);
        Assert.StartsWith("0 open connections", Text(debug, "/debug/connections", 200), StringComparison.Ordinal);
        Assert.Contains("managed heap", Text(debug, "/debug/memory", 200), StringComparison.Ordinal);
        Assert.Contains("perf record", Text(debug, "/debug/pprof/profile", 500), StringComparison.Ordinal);
        Text(debug, "/debug/elsewhere", 404);
    }

    private static string Text(DebugEndpoints debug, string path, int status)
    {
        var answer = debug.Answer(new AdminRequest("GET", path, "", ""));
        Assert.Equal(status, answer.Status);
        return Encoding.UTF8.GetString(answer.Body.Span);
    }
}
