using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads the TLS settings of DestinationRules (https://istio.io/latest/docs/reference/config/networking/destination-rule/#ClientTLSSettings).</summary>
internal static class TlsOriginationReader
{
    public static TlsOrigination Read(FieldReader tls)
    {
        var mode = tls.OneOf("mode", "DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL") switch
        {
            "SIMPLE" => TlsOriginationMode.Simple,
            "MUTUAL" => TlsOriginationMode.Mutual,
            "ISTIO_MUTUAL" => TlsOriginationMode.IstioMutual,
            _ => TlsOriginationMode.Disable,
        };
        var credential = Text(tls, "credentialName");
        var (authorities, certificate, key) = (Text(tls, "caCertificates"), Text(tls, "clientCertificate"), Text(tls, "privateKey"));
        if (mode == TlsOriginationMode.Mutual && credential is null && !tls.HasErrors)
        {
            if (certificate is null)
            {
                tls.Error("clientCertificate", "missing; expected beside the mode MUTUAL, or a credentialName");
            }

            if (key is null)
            {
                tls.Error("privateKey", "missing; expected beside the mode MUTUAL, or a credentialName");
            }
        }

        if (credential is not null && (certificate ?? key ?? authorities) is not null)
        {
            tls.Error("credentialName", "cannot stand beside \"clientCertificate\", \"privateKey\" or \"caCertificates\"");
        }

        if (mode == TlsOriginationMode.IstioMutual && (certificate ?? key ?? authorities ?? credential) is not null)
        {
            tls.Error("mode", "the certificates of ISTIO_MUTUAL are the mesh's own: name none");
        }

        return new TlsOrigination
        {
            Mode = mode,
            ServerName = Text(tls, "sni"),
            SubjectAltNames = [.. tls.Strings("subjectAltNames")],
            CredentialName = credential,
            Files = new TlsFiles(authorities, mode == TlsOriginationMode.Mutual ? certificate : null, mode == TlsOriginationMode.Mutual ? key : null),
            SkipsVerification = tls.Boolean("insecureSkipVerify") ?? false,
            Problem = tls.Has("caCrl") ? "caCrl is not supported" : null,
        };
    }

    private static string? Text(FieldReader fields, string field) => fields.String(field) is { Length: > 0 } text ? text : null;
}
