using System.Reflection;
using Ambient.Hbone;
using Ambient.Mesh;
using Ambient.Node.Hosting.Options;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Node.Tests.Architecture;

/// <summary>
/// No two folders need each other, however far around, a folder and its own subfolders included: one can be read without the other in
/// mind. Folders that must know each other are one.
/// </summary>
public sealed class NamespaceCycleTests
{
    public static TheoryData<string> Packages { get; } = ["Ambient.Core", "Ambient.Hbone", "Ambient.Policy", "Ambient.Node"];

    [Theory]
    [MemberData(nameof(Packages))]
    public void Package_HasNoCycles(string package)
    {
        var graph = NamespaceGraph.Of(Load(package));

        // There is something to look at: types of every package call each other across folders.
        Assert.True(graph.Namespaces.Count > 2, string.Join(", ", graph.Namespaces));
        var cycles = graph.Cycles().ToArray();
        Assert.True(cycles.Length == 0, string.Join("\n\n", cycles));
    }

    private static Assembly Load(string package) => package switch
    {
        "Ambient.Core" => typeof(MeshSnapshot).Assembly,
        "Ambient.Hbone" => typeof(HboneClient).Assembly,
        "Ambient.Policy" => typeof(DestinationResolver).Assembly,
        _ => typeof(ZtunnelOptions).Assembly,
    };
}
