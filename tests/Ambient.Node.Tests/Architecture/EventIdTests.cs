using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Ambient.Hbone;
using Ambient.Identity;
using Ambient.Node.Membership;
using Ambient.Policy.Authorization;
using Ambient.Testing;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Tests.Architecture;

/// <summary>
/// Every event that is logged has an id of its own, in the range that docs/operations.md gives its room: operators filter by these, and two
/// events with one id cannot be told apart.
/// </summary>
public sealed partial class EventIdTests
{
    private static readonly (int First, int Last, string Room)[] s_ranges = [.. ReadRanges()];

    private static readonly (int Id, string Room, string Event)[] s_events = [.. EventsOfMessages(), .. EventsMadeByHand()];

    [Fact]
    public void Ids_AreUnique()
    {
        var shared = s_events.GroupBy(static found => found.Id)
            .Where(static same => same.Count() > 1)
            .Select(static same => $"{same.Key}: {string.Join(", ", same.Select(static found => found.Event))}");

        Assert.Empty(shared);
    }

    [Fact]
    public void Ids_StandInTheRangeOfTheirRoom()
    {
        Assert.True(s_events.Length > 90, $"only {s_events.Length} events were found");
        var outside = s_events
            .Where(static found => !s_ranges.Any(range => range.Room == found.Room && found.Id >= range.First && found.Id <= range.Last))
            .Select(static found => $"{found.Event} of {found.Room} has {found.Id}; free there: {FreeIn(found.Room)}");

        Assert.Empty(outside);
    }

    [Fact]
    public void EveryRoom_HasARange_AndNoTwoOverlap()
    {
        // What everybody stands on logs nothing.
        string[] rooms = ["Ambient.Core", "Ambient.Hbone", "Ambient.Policy", .. FloorTests.Floors.Keys.Where(static room => FloorTests.Floors[room] > 0)];
        Assert.Equal(rooms.Order(StringComparer.Ordinal), s_ranges.Select(static range => range.Room).Order(StringComparer.Ordinal));

        var ordered = s_ranges.OrderBy(static range => range.First).ToArray();
        Assert.All(ordered.Zip(ordered.Skip(1)), static pair => Assert.True(pair.First.Last < pair.Second.First, $"{pair.First} overlaps {pair.Second}"));
        Assert.All(ordered, static range => Assert.Equal(FloorTests.Floors.GetValueOrDefault(range.Room), range.First / 1000));
    }

    [Fact]
    public void NoEvent_IsLoggedWithoutAnId() =>
        Assert.Empty(Sources().Where(static source => LogWithoutId().IsMatch(source.Text)).Select(static source => source.Path));

    private static IEnumerable<(int Id, string Room, string Event)> EventsOfMessages() =>
        from assembly in new[] { typeof(SpiffeId).Assembly, typeof(HboneClient).Assembly, typeof(ConnectionAuthorizer).Assembly, typeof(MeshRuntime).Assembly }
        from type in assembly.GetTypes()
        from method in type.GetMethods(BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
        let message = method.GetCustomAttribute<LoggerMessageAttribute>()
        where message is not null
        select (message.EventId, RoomOf(assembly, type), $"{type.Name}.{method.Name}");

    // Lines whose text is put together by hand do without the generator.
    private static IEnumerable<(int Id, string Room, string Event)> EventsMadeByHand() =>
        from source in Sources()
        from Match match in IdMadeByHand().Matches(source.Text)
        let parts = source.Path.Split('/')
        select (Number(match.Groups["id"].Value), parts[0] == "Ambient.Node" ? parts[1] : parts[0], match.Groups["name"].Value);

    private static string RoomOf(Assembly assembly, Type type) =>
        assembly == typeof(MeshRuntime).Assembly ? FloorTests.RoomOf(type.Namespace ?? "") : assembly.GetName().Name!;

    private static string FreeIn(string room) => s_ranges.FirstOrDefault(range => range.Room == room) is { Room: not null } own
        ? Enumerable.Range(own.First, own.Last - own.First + 1).Except(s_events.Select(static found => found.Id)).First().ToString(CultureInfo.InvariantCulture)
        : "no range";

    private static IEnumerable<(int First, int Last, string Room)> ReadRanges() =>
        File.ReadLines(Path.Combine(Repository.Root, "docs", "operations.md"))
            .Select(static line => RangeOfADocument().Match(line))
            .Where(static match => match.Success)
            .Select(static match => (Number(match.Groups["first"].Value), Number(match.Groups["last"].Value), match.Groups["room"].Value));

    private static IEnumerable<(string Path, string Text)> Sources()
    {
        var folder = Path.Combine(Repository.Root, "src");
        return Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories)
            .Select(file => (Path.GetRelativePath(folder, file).Replace('\\', '/'), file))
            .Where(static source => !source.Item1.Contains("/obj/", StringComparison.Ordinal))
            .Select(static source => (source.Item1, File.ReadAllText(source.file)));
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^\| (?<first>[0-9]+)-(?<last>[0-9]+) \| `(?<room>[A-Za-z.]+)`")]
    private static partial Regex RangeOfADocument();

    [GeneratedRegex(@"EventId [a-z_]+ = new\((?<id>[0-9]+), ""(?<name>[A-Za-z]+)""\)")]
    private static partial Regex IdMadeByHand();

    [GeneratedRegex(@"\.Log(\([^;]*?, default,|(Trace|Debug|Information|Warning|Error|Critical)\()|\[LoggerMessage\((Level|LogLevel)")]
    private static partial Regex LogWithoutId();
}
