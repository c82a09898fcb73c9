using Ambient.Mesh;

namespace Ambient.Node.Tests.Discovery;

/// <summary>Inheritance of modes, beyond the recorded cases: no combination may leave a port open that was to be strict.</summary>
public sealed class PeerAuthenticationTests
{
    [Theory]
    [InlineData("STRICT", null, null, null, true, true)]
    [InlineData("STRICT", "UNSET", null, null, true, true)]
    [InlineData("STRICT", "PERMISSIVE", null, null, false, false)]
    [InlineData("PERMISSIVE", "STRICT", null, null, true, true)]
    [InlineData(null, null, "STRICT", null, true, true)]
    [InlineData("STRICT", null, "DISABLE", null, false, false)]
    [InlineData("STRICT", "UNSET", "UNSET", "PERMISSIVE", false, true)]
    [InlineData("STRICT", null, "PERMISSIVE", "STRICT", true, false)]
    [InlineData("STRICT", "UNSET", "PERMISSIVE", "STRICT", true, false)]
    [InlineData(null, null, "PERMISSIVE", "STRICT", true, false)]
    [InlineData(null, "STRICT", "UNSET", "PERMISSIVE", false, true)]
    [InlineData(null, null, "STRICT", "DISABLE", false, true)]
    [InlineData(null, null, "UNSET", "PERMISSIVE", false, false)]
    public void Modes_Combined_DenyPlaintextWhereStrict(string? root, string? ns, string? workload, string? port, bool portStrict, bool restStrict)
    {
        var yaml = Policy("istio-system", root, null, null) + Policy("n", ns, null, null) + Policy("n", workload, "sel", port)
            + "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: n, labels: {app: p}}\n";
        var mesh = ManifestText.Translate(yaml);
        var snapshot = new MeshSnapshotBuilder(MeshSnapshot.Empty).ReplaceAll(mesh.Workloads, mesh.Services, mesh.Policies).Build();
        var pod = Assert.Single(mesh.Workloads);
        Assert.All(pod.AuthorizationPolicies, key => Assert.True(snapshot.Policies.ContainsKey(key), $"{key} does not exist"));
        Assert.Equal(portStrict, Denies(8080));
        Assert.Equal(restStrict, Denies(9090));

        bool Denies(int destinationPort) => !Ambient.Policy.Authorization.ConnectionAuthorizer.Authorize(
            snapshot,
            pod,
            new(new(System.Net.IPAddress.Loopback, 1), new(pod.Addresses[0], destinationPort), null)).IsAllowed;
    }

    private static string Policy(string ns, string? mode, string? selector, string? port) => mode is null && port is null
        ? ""
        : $"""
           apiVersion: security.istio.io/v1
           kind: PeerAuthentication
           metadata: {"{"}name: {selector ?? "default"}, namespace: {ns}{"}"}
           spec:
             mtls: {"{"}mode: {mode ?? "UNSET"}{"}"}
             {(selector is null ? "" : "selector: {matchLabels: {app: p}}")}
             {(port is null ? "" : $"portLevelMtls: {{'8080': {{mode: {port}}}}}")}
           ---

           """;
}
