using System.Security.Cryptography.X509Certificates;
using System.Text;
using Ambient.Testing;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy.Cases;

/// <summary>
/// The certificate of the recorded meshes, with its key: a Secret has it. It is for <c>a.example</c>, <c>*.b.example</c> and <c>c.example</c>, signed by the one
/// authority that the recorded meshes trust.
/// </summary>
internal static class CaseCertificates
{
    private static readonly Lazy<X509Certificate2> s_recorded = new(() =>
    {
        var lines = File.ReadAllLines(Path.Combine(GoldenFolder.Case("xds", "gw-tls"), "input.yaml"));
        using var whole = X509Certificate2.CreateFromPem(Value("tls.crt: "), Value("tls.key: "));
        return X509CertificateLoader.LoadPkcs12(whole.Export(X509ContentType.Pkcs12), null);

        string Value(string name) => Encoding.ASCII.GetString(Convert.FromBase64String(lines.First(line => line.TrimStart().StartsWith(name, StringComparison.Ordinal)).TrimStart()[name.Length..]));
    });

    public static X509Certificate2 Recorded => s_recorded.Value;
}
