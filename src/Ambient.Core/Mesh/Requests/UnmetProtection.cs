namespace Ambient.Mesh;

/// <summary>
/// TLS to a backend that the configuration asks for and that is not acted on. Until it is, nothing may be sent to the backend: in
/// clear is not what was asked for.
/// </summary>
/// <param name="Hostname">Host name of the backend; may begin with <c>*.</c>, and <c>*</c> is every one.</param>
/// <param name="Port">Port of the backend; null for all of them.</param>
/// <param name="AskedBy">Kind and key of the object that asks, for example <c>BackendTLSPolicy app/echo</c>.</param>
public sealed record UnmetProtection(string Hostname, int? Port, string AskedBy)
{
    /// <summary>Whether it is about a port of a service.</summary>
    /// <param name="hostname">Host name of the service.</param>
    /// <param name="port">Port of the service.</param>
    public bool Concerns(string hostname, int port)
    {
        ArgumentNullException.ThrowIfNull(hostname);
        return (Port is null || Port == port)
            && (Hostname == "*"
                || string.Equals(Hostname, hostname, StringComparison.OrdinalIgnoreCase)
                || (Hostname.StartsWith("*.", StringComparison.Ordinal) && hostname.EndsWith(Hostname[1..], StringComparison.OrdinalIgnoreCase)));
    }
}
