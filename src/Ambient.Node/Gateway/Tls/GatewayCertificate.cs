namespace Ambient.Node.Gateway.Tls;

/// <summary>The certificate of a gateway's TLS listener, in files that may be replaced while it runs.</summary>
public sealed class GatewayCertificate
{
    /// <summary>Name of the listener.</summary>
    public string Listener { get; set; } = "";

    /// <summary>PEM file: the certificate, then those between it and the root.</summary>
    public string CertificateFile { get; set; } = "";

    /// <summary>PEM file: its private key.</summary>
    public string KeyFile { get; set; } = "";

    /// <summary>
    /// PEM file of the authorities that clients' certificates are verified against; null: clients are not asked for one. A certificate that does not
    /// verify ends the handshake.
    /// </summary>
    public string? ClientAuthorityFile { get; set; }

    /// <summary>Whether a client without a certificate is let in all the same. Only with <see cref="ClientAuthorityFile"/>.</summary>
    public bool ClientCertificateOptional { get; set; }
}
