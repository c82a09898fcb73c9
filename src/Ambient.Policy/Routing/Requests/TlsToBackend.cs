using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>
/// TLS that a client makes to a port of a service: what a BackendTLSPolicy asks for, or else a DestinationRule. Where it cannot be made, the problem says why, and
/// nothing may be sent.
/// </summary>
internal static class TlsToBackend
{
    internal static (BackendTls? Tls, string? Problem) Of(RequestConfiguration requests, Workload client, MeshService service, int port, TlsOrigination? origination, string? rule)
    {
        if (requests.FindUnmetProtection(service.Hostname, port) is { } askedBy)
        {
            return (null, Unmet(askedBy, service));
        }

        if (requests.FindBackendTls(service.Hostname, port) is { } asked)
        {
            return (asked, null);
        }

        if (origination is not { IsMade: true })
        {
            return (null, null);
        }

        var (tls, problem) = OfRule(requests, client, service, origination, $"DestinationRule {rule}");
        return problem is null ? (tls, null) : (null, Unmet($"DestinationRule {rule} ({problem})", service));
    }

    private static string Unmet(string askedBy, MeshService service) => $"{askedBy} asks for TLS to {service.Hostname}, which cannot be made; nothing is sent to it in clear";

    private static (BackendTls? Tls, string? Problem) OfRule(RequestConfiguration requests, Workload client, MeshService service, TlsOrigination origination, string askedBy)
    {
        if (origination.Problem is { } unknown)
        {
            return (null, unknown);
        }

        var secret = origination.CredentialName is { } name ? requests.Secrets.GetValueOrDefault($"{client.Namespace}/{name}") : null;
        CertificateBundle? authorities = null;
        if (origination.CredentialName is { } credential)
        {
            // Authorities may lie beside the certificate, or in a Secret of their own, as Istio has it.
            var bundle = requests.Secrets.GetValueOrDefault($"{client.Namespace}/{credential}{TlsSecret.AuthoritiesSuffix}") ?? secret;
            if (bundle is null)
            {
                return (null, $"Secret {client.Namespace}/{credential} does not exist");
            }

            if (bundle.Authorities is { } certificates)
            {
                authorities = new CertificateBundle { Name = bundle.Name, Namespace = bundle.Namespace, Certificates = certificates };
            }
            else if (!origination.SkipsVerification)
            {
                return (null, $"Secret {bundle.Key} has no authorities under ca.crt");
            }

            if (origination.Mode == TlsOriginationMode.Mutual && (secret is null || secret.Problem is not null))
            {
                return (null, $"Secret {client.Namespace}/{credential} {(secret is null ? "does not exist" : $"cannot be used: {secret.Problem}")}");
            }
        }

        ImmutableArray<string> names = origination.SubjectAltNames.IsEmpty ? service.SubjectAltNames : origination.SubjectAltNames;
        return (new BackendTls
        {
            AskedBy = askedBy,
            ServerName = ServerName(origination, service, requests.ClusterDomain),
            SubjectAltNames = [.. names.Select(static name => new SubjectAltName(name.Contains("://", StringComparison.Ordinal), name))],
            Authorities = authorities is null ? [] : [authorities],
            Files = origination.Files,
            ClientCertificate = origination.Mode == TlsOriginationMode.Mutual ? secret : null,
            SkipsVerification = origination.SkipsVerification,
        }, null);
    }

    /// <summary>The host's own name where none is written. Within the cluster it is sent only where it is also verified: the original sends none there.</summary>
    private static string ServerName(TlsOrigination origination, MeshService service, string clusterDomain) =>
        origination.ServerName
        ?? (origination.SkipsVerification && service.Hostname.EndsWith($".svc.{clusterDomain}", StringComparison.OrdinalIgnoreCase) ? "" : service.Hostname);
}
