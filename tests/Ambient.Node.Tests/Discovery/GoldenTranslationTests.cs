using Ambient.Mesh;
using Ambient.Node.Discovery.Folder;
using Ambient.Node.Discovery.Translation;
using Ambient.Testing;
using Ambient.Testing.Golden;

namespace Ambient.Node.Tests.Discovery;

/// <summary>Recorded clusters: from their manifests to what a real control plane told its ztunnels, and to what these decided.</summary>
[Trait("Category", "Golden")]
public sealed class GoldenTranslationTests
{
    public static IEnumerable<object[]> Cases => GoldenFolder.Cases("mesh");

    public static IEnumerable<object[]> RequestCases => GoldenFolder.Cases("http");

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void Manifests_Translated_AreWhatTheControlPlaneSent(string name)
    {
        var folder = GoldenFolder.Case("mesh", name);
        var mesh = Translate(folder);
        var expected = MeshText.Of(GoldenMesh.Workloads(folder), GoldenMesh.Services(folder), GoldenMesh.Policies(folder));
        var actual = MeshText.Of(mesh.Workloads, mesh.Services, mesh.Policies);
        Fail(name, MeshText.Differences(expected, actual));
    }

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void Manifests_Translated_AuthorizeAsRecorded(string name)
    {
        var folder = GoldenFolder.Case("mesh", name);
        Fail(name, GoldenDecisions.CheckAuthorize(Snapshot(folder), folder));
    }

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void Manifests_Translated_ConnectAsRecorded(string name)
    {
        var folder = GoldenFolder.Case("mesh", name);
        Fail(name, GoldenDecisions.CheckConnect(Snapshot(folder), folder));
    }

    /// <summary>What the waypoint and gateway cases are written in is read whole: their answers are compared elsewhere.</summary>
    [SkippableTheory]
    [MemberData(nameof(RequestCases))]
    public void RequestManifests_Read_HaveNoErrors(string name)
    {
        var text = File.ReadAllText(Path.Combine(GoldenFolder.Case("http", name), "input.yaml"));
        var load = ManifestLoader.LoadText("input.yaml", text);
        Assert.Empty(load.Errors.Items);
        var mesh = MeshTranslator.Translate(load.Objects, new TranslationOptions());
        Assert.NotEmpty(mesh.Workloads);
        Assert.NotEmpty(mesh.Requests.Gateways);
    }

    private static MeshSnapshot Snapshot(string folder)
    {
        var mesh = Translate(folder);
        return new MeshSnapshotBuilder(MeshSnapshot.Empty)
            .ReplaceAll(mesh.Workloads, mesh.Services, mesh.Policies)
            .Set(mesh.Requests)
            .Build();
    }

    private static MeshTranslation Translate(string folder)
    {
        var load = ManifestLoader.LoadText("input.yaml", File.ReadAllText(Path.Combine(folder, "input.yaml")));
        Assert.Empty(load.Errors.Items);
        var notRead = load.Skipped.Keys.Concat(load.Unsupported.Where(use => use.Field.Length == 0).Select(use => use.Kind)).ToArray();
        Skip.If(notRead.Length > 0, $"uses kinds that are not translated: {string.Join(", ", notRead)}");
        return MeshTranslator.Translate(load.Objects, new TranslationOptions());
    }

    private static void Fail(string name, IReadOnlyList<string> differences) => Assert.True(
        differences.Count == 0,
        $"{name}: {differences.Count} differences\n{string.Join("\n", differences.Take(20))}");
}
