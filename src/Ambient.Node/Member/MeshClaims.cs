namespace Ambient.Node.Member;

/// <summary>Claims of a caller that was authenticated by its mesh certificate.</summary>
public static class MeshClaims
{
    /// <summary>Authentication type of the identity in <c>HttpContext.User</c>.</summary>
    public const string AuthenticationType = "HBONE";

    /// <summary>The SPIFFE ID, for example <c>spiffe://cluster.local/ns/shop/sa/cart</c>. Also the identity's name.</summary>
    public const string SpiffeId = "spiffe_id";

    /// <summary>Kubernetes namespace of the caller; absent when its SPIFFE ID names none.</summary>
    public const string Namespace = "k8s_namespace";

    /// <summary>Kubernetes service account of the caller; absent when its SPIFFE ID names none.</summary>
    public const string ServiceAccount = "k8s_service_account";
}
