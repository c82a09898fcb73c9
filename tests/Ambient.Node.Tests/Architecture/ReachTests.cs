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

    /// <summary>
    /// The waypoint serves and forwards by our own engine: nothing that its program leads to is ASP.NET Core's or YARP's, but for the abstractions that
    /// application hosts share, and HttpClient is for the control plane, key sets and collectors alone.
    /// </summary>
    [Theory]
    [InlineData(typeof(WaypointProgram))]
    [InlineData(typeof(ZtunnelProgram))]
    public void Host_LeadsToNoOtherServerOrProxy(Type program)
    {
        var reached = s_graph.ReachedFrom(program);
        var others = s_graph.Outside.Where(use => IsOthers(use.Used) && reached.ContainsKey(use.Type)).Select(use => $"{use.Used} by {reached[use.Type]}").ToArray();
        Assert.Empty(others);

        // It can be seen where it is: a member is served by Kestrel.
        Assert.Contains(s_graph.Outside, use => IsOthers(use.Used) && IsIn(use.Type, "Member"));

        static bool IsOthers(string type) => type.StartsWith("Microsoft.AspNetCore.", StringComparison.Ordinal) || type.StartsWith("Yarp.", StringComparison.Ordinal);
    }

    /// <summary>A request that is proxied is never an object of the platform's: what is decided on is what is sent.</summary>
    [Theory]
    [InlineData("Requests")]
    [InlineData("Waypoint")]
    [InlineData("Gateway")]
    [InlineData("Inbound")]
    [InlineData("Outbound")]
    public void ProxiedPath_KnowsNoHttpOfThePlatform(string room)
    {
        // Key sets come by HttpClient.
        var users = s_graph.Outside.Where(use => IsIn(use.Type, room) && use.Type != $"{Node}Requests.Tokens.KeyFetcher" && IsPlatforms(use.Used)).Select(use => $"{use.Type} uses {use.Used}").ToArray();
        Assert.Empty(users);

        // It can be seen where it is.
        Assert.Contains(s_graph.Outside, use => use.Type == $"{Node}Requests.Tokens.KeyFetcher" && IsPlatforms(use.Used));
    }

    /// <summary>Nor below: the engine itself, whose joints for ASP.NET Core are a room of their own.</summary>
    [Fact]
    public void Engine_KnowsNoHttpOfThePlatform()
    {
        var graph = NamespaceGraph.Of(typeof(Ambient.Hbone.MessageServer).Assembly);
        var users = graph.Outside.Where(use => IsPlatforms(use.Used)).Select(use => use.Type).Distinct();
        Assert.All(users, user => Assert.StartsWith("Ambient.Hbone.AspNetCore.", user, StringComparison.Ordinal));
    }

    private static bool IsPlatforms(string type) => type.StartsWith("System.Net.Http.", StringComparison.Ordinal) || type.StartsWith("Microsoft.AspNetCore.", StringComparison.Ordinal) || type.StartsWith("Yarp.", StringComparison.Ordinal);

    private static bool IsIn(string type, string room) => type.StartsWith($"{Node}{room}.", StringComparison.Ordinal);
}
