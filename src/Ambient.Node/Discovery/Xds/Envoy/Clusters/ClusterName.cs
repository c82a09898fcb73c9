using System.Globalization;
using Ambient.Mesh;

namespace Ambient.Node.Discovery.Xds.Envoy.Clusters;

/// <summary>
/// What the name of a cluster says: <c>inbound-vip|port|http or tcp[/subset]|host</c> or <c>outbound|port|subset|host</c>. A host may be
/// <c>*.x</c>; none has a bar in it.
/// </summary>
/// <param name="IsOwn">Whether it is one of a service that this waypoint stands before.</param>
/// <param name="Port">Port of the service.</param>
/// <param name="IsTcp">Of an own one whether it is for opaque connections.</param>
/// <param name="Subset">Subset; null: all endpoints.</param>
/// <param name="Host">Host name.</param>
internal sealed record ClusterName(bool IsOwn, int Port, bool IsTcp, string? Subset, string Host)
{
    /// <summary>Group of references by host name.</summary>
    private const string Group = "networking.istio.io";

    /// <summary>Reads a name; null: it says nothing of the kind.</summary>
    public static ClusterName? Parse(string name)
    {
        if (name.Split('|') is not [var direction, var portText, var middle, { Length: > 0 } host]
            || !int.TryParse(portText, NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port is < 1 or > 65535)
        {
            return null;
        }

        if (direction == "outbound")
        {
            return new ClusterName(false, port, false, middle.Length == 0 ? null : middle, host);
        }

        var slash = middle.IndexOf('/', StringComparison.Ordinal);
        var protocol = slash < 0 ? middle : middle[..slash];
        return direction == "inbound-vip" && protocol is "http" or "tcp"
            ? new ClusterName(true, port, protocol == "tcp", slash < 0 ? null : middle[(slash + 1)..], host)
            : null;
    }

    /// <summary>What a rule that names the cluster refers to. A name that says nothing refers to what does not exist.</summary>
    public static ObjectReference Reference(string cluster, string ns) => Parse(cluster) is { } name
        ? new ObjectReference(Group, "Hostname", ns, name.Host, Port: name.Port)
        : new ObjectReference(Group, "Hostname", ns, $"{cluster}.invalid", Port: 1);
}
