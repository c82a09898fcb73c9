using Ambient.Node.Membership;
using Ambient.Testing;

namespace Ambient.Node.Tests.Architecture;

/// <summary>
/// The rooms of Ambient.Node stand on floors, and use rooms on lower floors alone: none on their own floor, none above, whatever the reason.
/// Read from what was compiled, so that a using line alone is no use and a fully qualified name is one.
/// </summary>
public sealed class FloorTests
{
    /// <summary>The table of docs/architecture.md, which a test holds to this one.</summary>
    internal static IReadOnlyDictionary<string, int> Floors { get; } = new Dictionary<string, int>(StringComparer.Ordinal)
    {
        ["Protos"] = 0, ["Ambient.Node"] = 0,
        ["Telemetry"] = 1, ["Sockets"] = 1, ["ControlPlane"] = 1, ["Lifetime"] = 1,
        ["Discovery"] = 2, ["Authorities"] = 2,
        ["Connections"] = 3, ["Membership"] = 3,
        ["Outbound"] = 4, ["Inbound"] = 4, ["Requests"] = 4,
        ["Capture"] = 5, ["Waypoint"] = 5, ["Gateway"] = 5, ["Member"] = 5,
        ["Admin"] = 6,
        ["Hosting"] = 7,
    };

    private const string Root = "Ambient.Node.";

    private static readonly NamespaceGraph s_graph = NamespaceGraph.Of(typeof(MeshRuntime).Assembly);

    [Fact]
    public void EveryRoom_UsesLowerFloorsAlone()
    {
        var climbs = s_graph.Uses()
            .Select(use => (From: RoomOf(use.From), To: RoomOf(use.To), use.Example))
            .Where(use => use.From != use.To && Floors.GetValueOrDefault(use.From, -1) <= Floors.GetValueOrDefault(use.To, -1))
            .Select(use => $"{use.From} (floor {Floors.GetValueOrDefault(use.From, -1)}) uses {use.To} (floor {Floors.GetValueOrDefault(use.To, -1)}): {use.Example}")
            .ToArray();

        Assert.True(climbs.Length == 0, string.Join('\n', climbs));
    }

    [Fact]
    public void EveryRoom_HasAFloor_AndEveryFloorItsRooms()
    {
        var rooms = s_graph.Namespaces.Select(RoomOf).ToHashSet(StringComparer.Ordinal);

        Assert.Equal(Floors.Keys.Order(StringComparer.Ordinal), rooms.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void TableOfTheDocumentation_IsTheSame()
    {
        var told = File.ReadLines(Path.Combine(Repository.Root, "docs", "architecture.md"))
            .Select(static line => line.Split('|', StringSplitOptions.TrimEntries))
            .Where(static cells => cells.Length == 6 && int.TryParse(cells[1], out _))
            .ToDictionary(static cells => cells[2].Trim('`'), static cells => int.Parse(cells[1], System.Globalization.CultureInfo.InvariantCulture), StringComparer.Ordinal);

        Assert.Equal(Floors.OrderBy(static floor => floor.Key, StringComparer.Ordinal), told.OrderBy(static floor => floor.Key, StringComparer.Ordinal));
    }

    /// <summary>First folder of Ambient.Node. What extends the platform's namespaces is a part of the room that it stands in.</summary>
    internal static string RoomOf(string name) => name switch
    {
        _ when name.StartsWith(Root, StringComparison.Ordinal) => name[Root.Length..].Split('.')[0],
        "Microsoft.Extensions.Hosting" => "Member",
        "Microsoft.Extensions.DependencyInjection" => "Hosting",
        _ => name,
    };
}
