using System.Globalization;
using System.Text.RegularExpressions;
using Ambient.Node.Protos.Envoy;
using Ambient.Node.Tests.Architecture;
using Ambient.Testing;
using Google.Protobuf.Reflection;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>Every message and field that istiod is known to send stands in the table, with what becomes of it, and the schema has what the table says is read.</summary>
public sealed partial class FieldTableTests
{
    private static readonly FileDescriptor[] s_schema =
    [
        BaseReflection.Descriptor, MatchingReflection.Descriptor, ClustersReflection.Descriptor, ListenersReflection.Descriptor,
        RoutesReflection.Descriptor, PoliciesReflection.Descriptor, TlsReflection.Descriptor, TelemetryReflection.Descriptor, ExtensionsReflection.Descriptor,
    ];

    [Fact]
    public void Table_HasEveryFieldOfTheInventory_AndNoOther() =>
        Assert.Equal(
            Lines("EnvoyInventory.tsv").Select(line => line.Split('\t')).Select(parts => (parts[0], parts[1], parts[2])).Order(),
            Table().Select(row => (row.Message, row.Field, row.Number.ToString(CultureInfo.InvariantCulture))).Order());

    [Fact]
    public void Schema_HasWhatIsReadOrChecked_UnderItsNumber()
    {
        var messages = s_schema.SelectMany(file => file.MessageTypes).SelectMany(WithNested).ToDictionary(message => message.FullName["ambient.envoy.".Length..]);
        var missing = Table()
            .Where(row => row.Own is not null && row.Treatment is "acted" or "checked")
            .Where(row => row.Own is not null && messages[row.Own].FindFieldByNumber(row.Number) is var field && field?.Name != row.Field)
            .Select(row => $"{row.Message} {row.Number} {row.Field} is not in {row.Own}");

        Assert.Empty(missing);
    }

    [Fact]
    public void Acted_MeansThatSomethingReadsIt()
    {
        var sources = Directory.EnumerateFiles(Path.Combine(Repository.Root, "src", "Ambient.Node", "Discovery", "Xds", "Envoy"), "*.cs", SearchOption.AllDirectories)
            .Select(File.ReadAllText).ToArray();
        var words = Words().Matches(string.Join('\n', sources)).Select(match => match.Value).ToHashSet();

        Assert.Empty(Table().Where(row => row is { Own: not null, Treatment: "acted" } && !words.Contains(PropertyOf(row.Field))).Select(row => $"{row.Message} {row.Field}"));
    }

    [Fact]
    public void Ignored_AndMissing_SayWhy() => Assert.Empty(Table().Where(row => row.Treatment is "ignored" or "missing" && row.Why.Length == 0).Select(row => $"{row.Message} {row.Field}"));

    /// <summary>What may be passed over without a word is telemetry and plumbing; of the rest nearly everything is acted on or checked.</summary>
    [Fact]
    public void Missing_IsLittle()
    {
        var rows = Table().Where(row => row.Treatment != "ignored").ToArray();

        Assert.InRange(rows.Count(row => row.Treatment == "missing") / (double)rows.Length, 0, 0.05);
    }

    private static IEnumerable<MessageDescriptor> WithNested(MessageDescriptor message) => message.NestedTypes.SelectMany(WithNested).Prepend(message);

    private static string PropertyOf(string field) =>
        DigitThenLetter().Replace(string.Concat(field.Split('_').Select(part => char.ToUpperInvariant(part[0]) + part[1..])), match => match.Value.ToUpperInvariant());

    private static IEnumerable<Row> Table()
    {
        var (message, own) = ("", (string?)null);
        foreach (var line in Lines("EnvoyFields.txt").Where(line => !line.StartsWith('#')))
        {
            if (!line.StartsWith(' '))
            {
                (message, own) = line.Split(" = ") is [var theirs, var ours] ? (theirs, ours) : (line, null);
                continue;
            }

            var parts = line.Trim().Split(' ', 4);
            yield return new Row(message, own, int.Parse(parts[0], CultureInfo.InvariantCulture), parts[1], parts[2].TrimEnd(':'), parts.Length > 3 ? parts[3] : "");
        }
    }

    private static string[] Lines(string name)
    {
        using var reader = new StreamReader(typeof(FieldTableTests).Assembly.GetManifestResourceStream(name)!);
        return reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    [GeneratedRegex("[A-Za-z0-9]+")]
    private static partial Regex Words();

    [GeneratedRegex("(?<=[0-9])[a-z]")]
    private static partial Regex DigitThenLetter();

    private sealed record Row(string Message, string? Own, int Number, string Field, string Treatment, string Why);
}
