using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Messages;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Testing;

namespace Ambient.Node.Tests.Requests;

/// <summary>
/// Recorded requests of a waypoint as they come in a mesh: inside of a tunnel with the caller's certificate, over HTTP/1.1 and over HTTP/2, to a whole
/// waypoint that reads a folder. Left out is what no tunnel carries: callers without an identity where a policy asks for one, and callers whom the mesh does not trust.
/// </summary>
[Trait("Category", "Golden")]
[Collection(GoldenRequestTests.Collection)]
public sealed partial class GoldenTunnelTests
{
    // Somebody, where nobody asks who.
    private static readonly SpiffeId s_anybody = TestMesh.Id("asker");

    private readonly GoldenBackends _backends;

    public GoldenTunnelTests(GoldenRequestTests.Backends fixture) => _backends = fixture.Value;

    public static IEnumerable<object[]> Cases => GoldenFolder.Cases("http");

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public async Task Requests_InsideOfATunnel_AnsweredAsRecorded(string name)
    {
        var folder = GoldenFolder.Case("http", name);
        var input = await File.ReadAllTextAsync(Path.Combine(folder, "input.yaml"));
        var asksWho = input.Split("\n---").Any(static document => document.Contains("kind: AuthorizationPolicy", StringComparison.Ordinal) && Who().IsMatch(document));
        var lines = (await File.ReadAllLinesAsync(Path.Combine(folder, "responses.jsonl"))).Where(line => IsCarried(line, asksWho)).ToArray();
        Skip.If(lines.Length == 0, "asks a gateway alone, or as callers whom no tunnel is opened for");

        using var manifests = new GoldenManifests(input);
        await using var mesh = new TestMesh();
        await mesh.StartWaypointFromAsync(manifests.Path);
        var snapshot = mesh.Store.Current;
        foreach (var workload in snapshot.Workloads.Values.Where(static workload => workload.Addresses is [var address, ..] && address.ToString().StartsWith("127.11.", StringComparison.Ordinal)))
        {
            await _backends.StartAsync(workload.Addresses[0]);
        }

        await using var waypoint = new Tunnels(mesh);
        var comparison = new GoldenComparison(_backends);
        var differences = new List<string>();
        foreach (var line in lines)
        {
            using var question = JsonDocument.Parse(line);
            if (await comparison.DifferenceAsync(waypoint, snapshot, question.RootElement) is { } difference)
            {
                differences.Add($"{difference}\n    {line}");
            }
        }

        Assert.True(differences.Count == 0, $"{name}: {differences.Count} of {lines.Length} differ\n{string.Join('\n', differences.Take(10))}");
    }

    private static bool IsCarried(string line, bool asksWho)
    {
        using var question = JsonDocument.Parse(line);
        return !(question.RootElement.TryGetProperty("gateway", out var gateway) && gateway.GetBoolean())
            && (question.RootElement.TryGetProperty("principal", out var principal) && principal.GetString() is { } identity
                ? identity.StartsWith("spiffe://cluster.local/", StringComparison.Ordinal)
                : !asksWho);
    }

    [GeneratedRegex(@"\b([pP]rincipals|notPrincipals|namespaces|notNamespaces|serviceAccounts|notServiceAccounts|source\.principal|source\.namespace)\b")]
    private static partial Regex Who();

    /// <summary>The waypoint, by tunnels: a new one for each question.</summary>
    private sealed class Tunnels(TestMesh mesh) : IGoldenSubject, IAsyncDisposable
    {
        private readonly Dictionary<IPAddress, HboneClient> _clients = [];

        public async Task<GoldenAnswer> AskAsync(bool http2, GoldenQuestion question)
        {
            var own = mesh.Store.Current.Workloads.Values.Single(static workload => workload.Addresses.Contains(IPAddress.Parse(GoldenEngine.Address)));
            if (!_clients.TryGetValue(question.Source, out var client))
            {
                _clients[question.Source] = client = new HboneClient(new HboneClientOptions { Connector = new TestMesh.From(question.Source) }, mesh.Svids);
            }

            await using var tunnel = await client.ConnectAsync(new HboneConnectRequest
            {
                NextHop = new IPEndPoint(own.Addresses[0], 15008),
                Authority = $"{question.Service!.Vips[0].Address}:{(question.Grpc ? 9000 : 8080)}",
                Source = question.Identity ?? s_anybody,
                AcceptedIdentities = [own.Identity],
            });
            return http2 ? await GoldenEngine.AskOverHttp2Async(MessageChannel.Over(tunnel), question) : await GoldenEngine.AskAsync(tunnel.AsStream(), question);
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var client in _clients.Values)
            {
                await client.DisposeAsync();
            }
        }
    }

    /// <summary>A folder with one file.</summary>
    private sealed class GoldenManifests : IDisposable
    {
        public GoldenManifests(string text) => File.WriteAllText(System.IO.Path.Combine(Path, "input.yaml"), text);

        public string Path { get; } = Directory.CreateTempSubdirectory("ambient-golden-").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
