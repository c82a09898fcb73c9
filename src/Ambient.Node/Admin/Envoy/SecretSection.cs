using System.Text;
using System.Text.Json;
using Ambient.Node.Admin.Envoy.Json;
using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf;

namespace Ambient.Node.Admin.Envoy;

/// <summary>Secrets of a dump: the host's own certificate and roots under the names that istiod's configuration has for them, then those that istiod sent. No key is in it.</summary>
internal static class SecretSection
{
    /// <summary>The section.</summary>
    public static DumpSection Of(EnvoyHost host)
    {
        ArgumentNullException.ThrowIfNull(host);
        var received = host.Received.Of(EnvoyTypes.Secret);
        return new DumpSection(
            "SecretsConfigDump",
            [
                new DumpPart("dynamic_active_secrets", "DynamicSecret", [.. Own(host), .. received.Resources.Select(secret => new DumpItem(secret.Name, json =>
                {
                    json.WriteString("name", secret.Name);
                    json.WritePropertyName("secret");
                    ProtoJson.WriteAny(json, EnvoyTypes.Secret, secret.Bytes.Span);
                    DumpSections.WriteState(json, secret);
                }))]),
                new DumpPart("dynamic_warming_secrets", "DynamicSecret", [.. received.Missing.Select(name => new DumpItem(name, json => json.WriteString("name", name)))]),
            ]);
    }

    private static IEnumerable<DumpItem> Own(EnvoyHost host)
    {
        if (host.Svids?.Snapshot().FirstOrDefault(entry => entry.Svid is not null)?.Svid is not { } svid)
        {
            yield break;
        }

        var chain = string.Concat(svid.Intermediates.Prepend(svid.Leaf).Select(certificate => certificate.ExportCertificatePem() + "\n"));
        yield return Item("default", svid.NotBefore, new Secret
        {
            Name = "default",
            TlsCertificate = new TlsCertificate { CertificateChain = Source(chain), PrivateKey = Source("[redacted]") },
        });
        yield return Item("ROOTCA", svid.NotBefore, new Secret
        {
            Name = "ROOTCA",
            ValidationContext = new CertificateValidationContext { TrustedCa = Source(svid.Roots.ToPem()) },
        });
    }

    private static DumpItem Item(string name, DateTimeOffset since, Secret secret) => new(name, json =>
    {
        json.WriteString("name", name);
        json.WriteString("last_updated", DumpSections.Text(since));
        json.WritePropertyName("secret");
        ProtoJson.WriteAny(json, EnvoyTypes.Secret, secret.ToByteArray());
    });

    private static DataSource Source(string pem) => new() { InlineBytes = ByteString.CopyFrom(pem, Encoding.UTF8) };
}
