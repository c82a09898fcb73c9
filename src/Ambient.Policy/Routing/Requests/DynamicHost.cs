using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>
/// Services of a wildcard host that are found by DNS (<c>resolution: DYNAMIC_DNS</c> of a ServiceEntry): which of the names is meant, the request or connection says, by its
/// Host or by the server name of its TLS, and never anything outside of the wildcard.
/// </summary>
public static class DynamicHost
{
    private const int LongestName = 253;

    /// <summary>The name that is meant, in lower case; null: it is none of the service's, or no host name.</summary>
    /// <param name="service">The service.</param>
    /// <param name="host">Host of a request, whose port is not looked at, or server name of TLS; null: there is none.</param>
    public static string? Of(MeshService service, string? host)
    {
        ArgumentNullException.ThrowIfNull(service);
        if (string.IsNullOrEmpty(host))
        {
            return null;
        }

        var name = HostName.WithoutPort(host);
        return name.Length <= LongestName && HostName.Matches(service.Hostname, name) && IsName(name) ? name.ToLowerInvariant() : null;
    }

    private static bool IsName(string name)
    {
        var length = 0;
        foreach (var c in name)
        {
            length = c == '.' ? 0 : length + 1;
            if ((c == '.' && length == 0 && name[0] == '.') || length > 63 || !(char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_'))
            {
                return false;
            }
        }

        return !name.Contains("..", StringComparison.Ordinal) && name[^1] != '.';
    }
}
