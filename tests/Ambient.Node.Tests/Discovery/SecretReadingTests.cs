using Ambient.Node.Discovery.Folder;
using Ambient.Node.Tests.Gateway;

namespace Ambient.Node.Tests.Discovery;

/// <summary>Secrets and ConfigMaps as the folder's reader takes them: what is an error of the manifest, what only makes unusable what refers to it, and what is never said.</summary>
public sealed class SecretReadingTests
{
    [Theory]
    [InlineData("data: {tls.crt: '%', tls.key: c2VjcmV0}", "data.tls.crt", "is not base64")]
    [InlineData("data: {tls.crt: c2VjcmV0, tls.key: 'MYSECRETKEY!'}", "data.tls.key", "is not base64")]
    [InlineData("data: {tls.crt: c2VjcmV0, tls.key: [MYSECRETKEY]}", "data.tls.key", "expected a string")]
    [InlineData("stringData: {tls.crt: x, tls.key: {MYSECRETKEY: 1}}", "stringData.tls.key", "expected a string")]
    [InlineData("dada: {tls.crt: MYSECRETKEY}", "dada", "did you mean \"data\"?")]
    public void Secret_ThatNoClusterWouldTake_IsAnError_WithoutItsContent(string content, string field, string message)
    {
        var error = Assert.Single(ManifestText.Errors($"apiVersion: v1\nkind: Secret\nmetadata: {{name: web, namespace: app}}\ntype: kubernetes.io/tls\n{content}\n"));
        Assert.Equal(field, error.Field);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("MYSECRETKEY", error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("type: kubernetes.io/service-account-token\ndata: {token: x}")]
    [InlineData("type: Opaque\ndata: {password: '%%%'}")]
    [InlineData("type: kubernetes.io/dockerconfigjson\nstringData: {tls.crt: [1]}")]
    public void Secret_OfAnotherUse_IsNotLookedInto(string content)
    {
        var load = ManifestLoader.LoadText("a.yaml", $"apiVersion: v1\nkind: Secret\nmetadata: {{name: web, namespace: app}}\n{content}\n");
        Assert.Empty(load.Errors.Items);
        Assert.Empty(load.Unsupported);
        Assert.Equal(1, load.Skipped["Secret"]);
    }

    [Theory]
    [InlineData("tls.crt", "tls.key")]
    [InlineData("cert", "key")]
    public void Secret_MayBeOpaque_UnderNamesThatIstioKnows_AndTextOverridesWhatIsEncoded(string certificateName, string keyName)
    {
        using var authority = TestCertificates.Authority("root");
        using var leaf = TestCertificates.Leaf(authority, "web", ["web.example"]);
        var mesh = ManifestText.Translate($$"""
            apiVersion: v1
            kind: Secret
            metadata:
              name: web
              namespace: app
              annotations: {kubectl.kubernetes.io/last-applied-configuration: "MYSECRETKEY"}
            data: { {{certificateName}}: aGVsbG8=, {{keyName}}: aGVsbG8= }
            stringData:
              {{certificateName}}: {{System.Text.Json.JsonSerializer.Serialize(leaf.ExportCertificatePem())}}
              {{keyName}}: {{System.Text.Json.JsonSerializer.Serialize(TestCertificates.KeyOf(leaf))}}
            ---
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata: {name: gw, namespace: app}
            spec: {gatewayClassName: istio, listeners: [{name: s, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: web}]} }]}

            """);
        var secret = mesh.Requests.Secrets["app/web"];
        Assert.Null(secret.Problem);
        Assert.Equal(TestCertificates.KeyOf(leaf), secret.PrivateKey!.Reveal());
        Assert.DoesNotContain("BEGIN PRIVATE", $"{secret} {secret.PrivateKey} {mesh.Requests}", StringComparison.Ordinal);
    }
}
