using Ambient.Testing;
using Ambient.Testing.Golden;

namespace Ambient.Policy.Tests.Golden;

/// <summary>What ztunnel decided over the resources that istiod sent, our decisions decide too.</summary>
[Trait("Category", "Golden")]
public sealed class GoldenMeshTests
{
    public static IEnumerable<object[]> Cases => GoldenFolder.Cases("mesh");

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void Authorize_RecordedConnections_AnswersAsZtunnel(string name)
    {
        var folder = GoldenFolder.Case("mesh", name);
        AssertNone(GoldenDecisions.CheckAuthorize(GoldenMesh.Load(folder), folder));
    }

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void Resolve_RecordedConnections_AnswersAsZtunnel(string name)
    {
        var folder = GoldenFolder.Case("mesh", name);
        AssertNone(GoldenDecisions.CheckConnect(GoldenMesh.Load(folder), folder));
    }

    private static void AssertNone(IReadOnlyList<string> faults) =>
        Assert.True(faults.Count == 0, $"{faults.Count} lines differ:\n{string.Join('\n', faults.Take(10))}");
}
