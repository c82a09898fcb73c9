using System.Collections.Immutable;

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
    /// <summary>The object that asks for TLS to a port of a service; null when none of <paramref name="protections"/> does.</summary>
    /// <param name="protections">What is asked for.</param>
    /// <param name="hostname">Host name of the service.</param>
    /// <param name="port">Port of the service.</param>
    public static string? Find(ImmutableArray<UnmetProtection> protections, string hostname, int port)
    {
        foreach (var protection in protections.AsSpan())
        {
            if (protection.Concerns(hostname, port))
            {
                return protection.AskedBy;
            }
        }

        return null;
    }

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
