using System.Net;
using System.Text.Json;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Discovery.Folder;
using Ambient.Node.Discovery.Translation;
using Ambient.Testing;

namespace Ambient.Node.Tests.Requests;

/// <summary>Recorded requests through a waypoint and a gateway: what a real mesh answered, and what its backends saw.</summary>
[Trait("Category", "Golden")]
[Collection(Collection)]
public sealed class GoldenRequestTests
{
    /// <summary>Those that ask recorded questions take turns: their backends have the same addresses.</summary>
    internal const string Collection = "recorded backends";

    private readonly GoldenBackends _backends;

    public GoldenRequestTests(Backends fixture) => _backends = fixture.Value;

    public static IEnumerable<object[]> Cases => GoldenFolder.Cases("http");

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public async Task Requests_AnsweredAsRecorded(string name)
    {
        var folder = GoldenFolder.Case("http", name);
        var manifest = await File.ReadAllTextAsync(Path.Combine(folder, "input.yaml"));
        var store = new MeshStore();
        var load = ManifestLoader.LoadText("input.yaml", manifest);
        Assert.Empty(load.Errors.Items);
        var translated = MeshTranslator.Translate(load.Objects, new TranslationOptions());
        store.Publish(new MeshSnapshotBuilder(MeshSnapshot.Empty)
            .ReplaceAll(translated.Workloads, translated.Services, translated.Policies).Set(translated.Requests).Build());
        foreach (var workload in translated.Workloads.Where(workload => workload.Addresses is [var address, ..] && address.ToString().StartsWith("127.11.", StringComparison.Ordinal)))
        {
            await _backends.StartAsync(workload.Addresses[0]);
        }

        await using var engine = GoldenEngine.Start(store);
        var differences = new List<string>();
        var lines = await File.ReadAllLinesAsync(Path.Combine(folder, "responses.jsonl"));
        for (var i = 0; i < lines.Length; i++)
        {
            using var question = JsonDocument.Parse(lines[i]);
            var difference = await new GoldenComparison(_backends).DifferenceAsync(engine, store.Current, question.RootElement);
            var rule = DeliberateDifference.All.FirstOrDefault(exception => exception.Case == name && exception.Line == i + 1)?.Rule;
            if ((difference is null) != (rule is null))
            {
                differences.Add($"{difference ?? $"answered as recorded, which rule {rule} says it is not"}\n    {lines[i]}");
            }
        }

        Assert.True(differences.Count == 0, $"{name}: {differences.Count} of {lines.Length} differ\n{string.Join('\n', differences.Take(10))}");
    }

    /// <summary>The classes that share backends.</summary>
    [CollectionDefinition(Collection)]
    public sealed class Turns : ICollectionFixture<Backends>;

    /// <summary>Backends that outlive a case.</summary>
    public sealed class Backends : IAsyncLifetime
    {
        internal GoldenBackends Value { get; } = new();

        public Task InitializeAsync() => Task.CompletedTask;

        public Task DisposeAsync() => Value.DisposeAsync().AsTask();
    }
}
