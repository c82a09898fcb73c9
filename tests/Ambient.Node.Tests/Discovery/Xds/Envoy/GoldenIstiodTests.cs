using System.Text.Json;
using Ambient.Node.Tests.Requests;
using Ambient.Testing;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>
/// Recorded requests through a waypoint and a gateway that istiod's own Envoy configuration drives: answered as those are which read the objects. The two
/// translations check each other.
/// </summary>
[Trait("Category", "Golden")]
[Collection(GoldenRequestTests.Collection)]
public sealed class GoldenIstiodTests
{
    private readonly GoldenBackends _backends;

    public GoldenIstiodTests(GoldenRequestTests.Backends fixture) => _backends = fixture.Value;

    public static IEnumerable<object[]> Cases => GoldenFolder.Cases("http");

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public async Task Requests_AnsweredAsRecorded(string name)
    {
        var folder = GoldenFolder.Case("http", name);
        await using var waypoint = await RecordedIstiod.StartAsync(Path.Combine(folder, "xds", "waypoint"));
        var ofGateway = Path.Combine(folder, "xds", "gateway");
        await using var gateway = Directory.Exists(ofGateway) ? await RecordedIstiod.StartAsync(ofGateway) : null;
        foreach (var workload in waypoint.Store.Current.Workloads.Values.Where(workload => workload.Addresses is [var address, ..] && address.ToString().StartsWith("127.11.", StringComparison.Ordinal)))
        {
            await _backends.StartAsync(workload.Addresses[0]);
        }

        await using var waypoints = GoldenEngine.Start(waypoint.Store);
        await using var gateways = gateway is null ? null : GoldenEngine.Start(gateway.Store);
        var differences = new List<string>();
        var lines = await File.ReadAllLinesAsync(Path.Combine(folder, "responses.jsonl"));
        foreach (var line in lines)
        {
            using var question = JsonDocument.Parse(line);
            var throughGateway = question.RootElement.TryGetProperty("gateway", out var asked) && asked.GetBoolean();
            var (engine, mesh) = throughGateway ? (gateways, gateway?.Store.Current) : (waypoints, waypoint.Store.Current);
            if (engine is null || mesh is null)
            {
                differences.Add($"there is no recording for the gateway\n    {line}");
            }
            else if (await new GoldenComparison(_backends).DifferenceAsync(engine, mesh, question.RootElement) is { } difference)
            {
                differences.Add($"{difference}\n    {line}");
            }
        }

        var problems = waypoint.Session.Problems.AddRange(gateway?.Session.Problems ?? []);
        Assert.True(differences.Count == 0, $"{name}: {differences.Count} of {lines.Length} differ\n{string.Join('\n', problems)}\n{string.Join('\n', differences.Take(10))}");
    }
}
