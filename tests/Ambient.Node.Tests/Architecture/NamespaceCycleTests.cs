using System.Reflection;
using Ambient.Hbone;
using Ambient.Mesh;
using Ambient.Node.Hosting.Options;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Node.Tests.Architecture;

/// <summary>No two folders beside each other need each other, however far around: one can be read without the other in mind.</summary>
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
        Assert.True(!graph.Cycles().Any(), string.Join("\n\n", graph.Cycles()));
    }

    private static Assembly Load(string package) => package switch
    {
        "Ambient.Core" => typeof(MeshSnapshot).Assembly,
        "Ambient.Hbone" => typeof(HboneClient).Assembly,
        "Ambient.Policy" => typeof(DestinationResolver).Assembly,
        _ => typeof(ZtunnelOptions).Assembly,
    };
}
