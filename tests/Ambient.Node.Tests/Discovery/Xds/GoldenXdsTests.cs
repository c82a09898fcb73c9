using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Client;
using Ambient.Node.Protos.Discovery;
using Ambient.Testing;
using Ambient.Testing.ControlPlane;
using Ambient.Testing.Fuzzing;
using Ambient.Testing.Golden;

namespace Ambient.Node.Tests.Discovery.Xds;

/// <summary>The bytes that a real istiod sent, served over TLS and gRPC: the mesh that they make, and what is decided by it.</summary>
[Trait("Category", "Golden")]
public sealed class GoldenXdsTests
{
    public static IEnumerable<object[]> Cases => GoldenFolder.Cases("mesh");

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public async Task RecordedBytes_Received_AreTheMeshThatTheControlPlaneMeant(string name)
    {
        var folder = GoldenFolder.Case("mesh", name);
        await using var server = await ServeAsync(folder);
        var store = new MeshStore();
        await using var source = await XdsKit.StartAsync(server, store);

        var expected = MeshText.Of(GoldenMesh.Workloads(folder), GoldenMesh.Services(folder), GoldenMesh.Policies(folder));
        var mesh = store.Current;
        var actual = MeshText.Of(mesh.Workloads.Values, mesh.Services.Values, mesh.Policies.Values);
        Fail(name, MeshText.Differences(expected, actual));
        Fail(name, GoldenDecisions.CheckAuthorize(mesh, folder));
        Fail(name, GoldenDecisions.CheckConnect(mesh, folder));
        Assert.DoesNotContain(server.Discovery.Requests, request => request.ErrorDetail is not null);
    }

    /// <summary>Whatever happens to the bytes on their way, the client neither fails nor takes a policy for one that lets more in.</summary>
    [SkippableTheory]
    [Trait("Category", "Fuzz")]
    [MemberData(nameof(Cases))]
    public void RecordedBytes_Damaged_AreReadOrRefused(string name)
    {
        var folder = GoldenFolder.Case("mesh", name);
        foreach (var file in (string[])["address.binpb", "authorization.binpb"])
        {
            var original = File.ReadAllBytes(Path.Combine(folder, file));
            FuzzBudget.Run(200, random =>
            {
                try
                {
                    var store = new MeshStore();
                    new XdsState(store).Apply(XdsKit.Parse(Damage.Of(original, random)));
                }
                catch (Exception e) when (e is Google.Protobuf.InvalidProtocolBufferException or InvalidDataException)
                {
                    // No message at all: the stream fails, and the mesh stays.
                }
            });
        }
    }

    private static async Task<ControlPlaneServer> ServeAsync(string folder)
    {
        var server = await ControlPlaneServer.StartAsync();
        server.Discovery.Initial = request =>
        {
            var file = Path.Combine(folder, request.TypeUrl == XdsTypes.Address ? "address.binpb" : "authorization.binpb");
            return File.Exists(file) ? DeltaDiscoveryResponse.Parser.ParseFrom(File.ReadAllBytes(file)) : DiscoveryScript.Empty(request.TypeUrl);
        };
        return server;
    }

    private static void Fail(string name, IReadOnlyList<string> differences) => Assert.True(
        differences.Count == 0, $"{name}: {differences.Count} differences\n{string.Join("\n", differences.Take(20))}");
}
