using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>The certificate that a gateway shows to backends which ask for one in TLS.</summary>
public static class GatewayBackendCertificate
{
    /// <summary>The Secret that the Gateway names; null: it names none, or one that cannot be used.</summary>
    /// <param name="configuration">Secrets and ReferenceGrants.</param>
    /// <param name="gateway">The gateway.</param>
    /// <param name="problem">Why the one that is named cannot be used, for operators; null otherwise.</param>
    public static TlsSecret? Find(RequestConfiguration configuration, Gateway gateway, out string? problem)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(gateway);
        problem = null;
        return gateway.BackendClientCertificate is { } reference
            ? ListenerCertificates.FindSecret(configuration, "Gateway", gateway.Namespace, reference, out problem)
            : null;
    }
}
