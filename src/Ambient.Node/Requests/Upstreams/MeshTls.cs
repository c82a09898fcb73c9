using Ambient.Hbone.Connect;
using Ambient.Identity;
using Ambient.Mesh;

namespace Ambient.Node.Requests.Upstreams;

/// <summary>The mesh's own TLS, as sidecars speak it among each other: what of a connection they tell it is for by its protocols.</summary>
internal static class MeshTls
{
    /// <summary>What is asked of the endpoint.</summary>
    /// <param name="tls">What the configuration says.</param>
    /// <param name="own">Who we are.</param>
    /// <param name="http2">Whether HTTP/2 is spoken rather than HTTP/1.1.</param>
    /// <param name="opaque">Whether bytes are passed on that nobody looks into.</param>
    public static IdentityTlsRequest Request(BackendTls tls, SpiffeId own, bool http2, bool opaque) => new()
    {
        Source = own,
        AcceptedIdentities = [.. tls.SubjectAltNames.Where(static name => name.IsUri).Select(static name => SpiffeId.TryParse(name.Value, out var id) ? id : null).OfType<SpiffeId>()],
        ServerName = tls.ServerName,

        // A sidecar tells HTTP from other bytes by the first of them, where its port does not say (Istio's protocol selection).
        Protocols = opaque ? tls.Protocols : [http2 ? "istio-h2" : "istio-http/1.1", .. tls.Protocols],
    };
}
