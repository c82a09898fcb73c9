using Ambient.Node.Hosting.Waypoint;
using Ambient.Node.Hosting.Ztunnel;

namespace Ambient.Node.Tests.Architecture;

/// <summary>
/// What a program's types mention is in its native binary, and what they do not is left out of it. A ztunnel is on every node, so it carries
/// nothing that only waypoints, gateways and members need.
/// </summary>
public sealed class ReachTests
{
    private const string Node = "Ambient.Node.";

    private static readonly NamespaceGraph s_graph = NamespaceGraph.Of(typeof(ZtunnelProgram).Assembly);

    /// <summary>Rooms, or parts of them, that a ztunnel has no use for; each is one that a waypoint leads to.</summary>
    public static TheoryData<string> OthersRooms { get; } =
    [
        "Protos.Envoy", "Discovery.Xds.Envoy", "Admin.Envoy", "Hosting.Waypoint", "Waypoint", "Gateway", "Requests",
    ];

    [Theory]
    [MemberData(nameof(OthersRooms))]
    public void Ztunnel_DoesNotLeadToWhatOthersNeed(string room)
    {
        var ways = s_graph.ReachedFrom(typeof(ZtunnelProgram)).Where(reached => IsIn(reached.Key, room)).Select(static reached => reached.Value).ToArray();

        Assert.True(ways.Length == 0, $"a ztunnel carries {ways.Length} types of {room}; the first by {ways.FirstOrDefault()}");

        // It can be seen where it is.
        Assert.Contains(s_graph.ReachedFrom(typeof(WaypointProgram)).Keys, type => IsIn(type, room));
    }

    private static bool IsIn(string type, string room) => type.StartsWith($"{Node}{room}.", StringComparison.Ordinal);
}
