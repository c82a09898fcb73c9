namespace Ambient.Node.Gateway.Tls;

/// <summary>A listener of a port that speaks TLS, as its clients meet it.</summary>
/// <param name="Hostname">Host name, exact or with a wildcard first label; null for all.</param>
/// <param name="Identity">What it shows; null: it is not served, or its TLS is passed through.</param>
internal sealed record TlsListener(string? Hostname, TlsIdentity? Identity)
{
    /// <summary>Whether its TLS is the backend's: the bytes go on as they are.</summary>
    public bool IsPassthrough { get; init; }

    /// <summary>Whether requests are taken from what TLS protects; else it is a connection as a whole.</summary>
    public bool CarriesRequests { get; init; } = true;
}
