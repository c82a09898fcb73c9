using Ambient.Node.ControlPlane;

namespace Ambient.Node.Membership;

/// <summary>How istiod is reached, for the mesh or for certificates. TLS is always used.</summary>
public sealed class IstiodOptions
{
    /// <summary>Host and port. Default <c>istiod.istio-system.svc:15012</c>.</summary>
    public string Address { get; set; } = "istiod.istio-system.svc:15012";

    /// <summary>
    /// Roots that vouch for it: a file, which is read again when it changes; <c>SYSTEM</c> for the machine's; or PEM text. Default
    /// <c>./var/run/secrets/istio/root-cert.pem</c>, where pods have it.
    /// </summary>
    public string Roots { get; set; } = ControlPlaneOptions.DefaultRoots;

    /// <summary>A second name that its certificate may have; null: none. Default null.</summary>
    public string? AlternativeName { get; set; }

    /// <summary>
    /// A file with a token, read again for each call, or the token itself; null: <c>./var/run/secrets/tokens/istio-token</c> where that
    /// exists. Default null.
    /// </summary>
    public string? Token { get; set; }

    /// <summary>
    /// Whether addresses are asked for one by one, as connections need them, instead of the whole mesh. Of a ztunnel's mesh alone. Default
    /// false.
    /// </summary>
    public bool OnDemand { get; set; }

    /// <summary>What the other end is told, and tells errors by; null and the reason when it cannot be used.</summary>
    internal ControlPlaneOptions? ToControlPlane(string name, string clusterId, out string? fault)
    {
        var full = Address.Contains("://", StringComparison.Ordinal) ? Address : $"https://{Address}";
        fault = null;
        if (!Uri.TryCreate(full, UriKind.Absolute, out var uri) || uri.Scheme != Uri.UriSchemeHttps || uri.Host.Length == 0)
        {
            fault = $"\"{Address}\" is not an address such as istiod.istio-system.svc:15012 (TLS is always used)";
            return null;
        }

        return new ControlPlaneOptions
        {
            Name = name,
            Address = uri,
            Roots = Roots,
            AlternativeName = AlternativeName,
            Token = Token ?? (File.Exists(ControlPlaneOptions.DefaultToken) ? ControlPlaneOptions.DefaultToken : null),
            ClusterId = clusterId,
        };
    }
}
