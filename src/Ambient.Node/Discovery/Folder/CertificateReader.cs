using System.Text;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>
/// Reads Secrets with a certificate, and ConfigMaps with authorities. Nothing of a Secret's content stands in an error: what cannot be used is said
/// without it, and only makes unusable what refers to it, as in a cluster.
/// </summary>
internal static class CertificateReader
{
    private const string AuthorityKey = "ca.crt";

    /// <summary>
    /// Whether a Secret is one of TLS: of type <c>kubernetes.io/tls</c>, or <c>Opaque</c> with a certificate, or certificates of authorities, under a name that Istio
    /// knows.
    /// </summary>
    public static bool IsTls(YamlNode document) => document is YamlMapping map && ((map.Find("type") as YamlScalar)?.Value ?? "") switch
    {
        "kubernetes.io/tls" => true,
        "" or "Opaque" => Has(map, "tls.crt") || Has(map, "cert") || Has(map, AuthorityKey) || Has(map, "cacert"),
        _ => false,
    };

    /// <summary>Whether a ConfigMap has authorities.</summary>
    public static bool HasAuthorities(YamlNode document) => document is YamlMapping map && map.Find("data") is YamlMapping data && data.Find(AuthorityKey) is not null;

    /// <summary>Reads a Secret.</summary>
    public static TlsSecretObject ReadSecret(ObjectMeta meta, FieldReader fields)
    {
        // kubectl keeps what it was given last in an annotation: the key as well.
        meta = meta with { Annotations = [] };
        var certificates = ValueOf(fields, "tls.crt") ?? ValueOf(fields, "cert");
        var key = ValueOf(fields, "tls.key") ?? ValueOf(fields, "key");
        return new TlsSecretObject(meta, new TlsSecret
        {
            Name = meta.Name,
            Namespace = meta.Namespace,
            Certificates = certificates ?? "",
            PrivateKey = key is null ? null : new PrivateKeyPem(key),
            Problem = PemText.ProblemOf(certificates, key),
            Authorities = (ValueOf(fields, AuthorityKey) ?? ValueOf(fields, "cacert")) is { } authorities && PemText.HasCertificates(authorities) ? authorities : null,
        });
    }

    /// <summary>Reads a ConfigMap.</summary>
    public static CertificateBundleObject ReadAuthorities(ObjectMeta meta, FieldReader fields)
    {
        var text = fields.ObjectOrEmpty("data").String(AuthorityKey) ?? "";
        return new CertificateBundleObject(meta, new CertificateBundle
        {
            Name = meta.Name,
            Namespace = meta.Namespace,
            Certificates = text,
            Problem = PemText.HasCertificates(text) ? null : $"{AuthorityKey} has no certificate",
        });
    }

    private static bool Has(YamlMapping secret, string key) =>
        (secret.Find("data") as YamlMapping)?.Find(key) is not null || (secret.Find("stringData") as YamlMapping)?.Find(key) is not null;

    /// <summary>A value of a Secret; what is written as text overrides what is encoded, as the API server has it.</summary>
    private static string? ValueOf(FieldReader fields, string key)
    {
        if (fields.ObjectOrEmpty("stringData") is var texts && texts.Find(key) is { } text)
        {
            return Text(texts, key, text);
        }

        var data = fields.ObjectOrEmpty("data");
        if (data.Find(key) is not { } encoded || Text(data, key, encoded) is not { } base64)
        {
            return null;
        }

        try
        {
            return Encoding.UTF8.GetString(Convert.FromBase64String(base64));
        }
        catch (FormatException)
        {
            data.Error(key, "is not base64; write it under stringData where it is plain text");
            return null;
        }
    }

    private static string? Text(FieldReader fields, string key, YamlNode node)
    {
        if (node is YamlScalar scalar)
        {
            return scalar.Value;
        }

        fields.Error(key, "expected a string");
        return null;
    }
}
