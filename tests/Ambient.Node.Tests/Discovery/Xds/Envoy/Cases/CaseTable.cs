using System.Collections.Immutable;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy.Cases;

/// <summary>What is said in which case, as the files beside this one have it.</summary>
internal static class CaseTable
{
    private const string Folder = "CaseQuestions/";

    private static readonly Dictionary<string, ImmutableArray<Question>> s_all = Files().SelectMany(Read).ToDictionary(StringComparer.Ordinal);

    public static IEnumerable<string> Names => s_all.Keys;

    public static ImmutableArray<Question> Of(string name) => s_all.GetValueOrDefault(name, []);

    private static IEnumerable<Stream> Files() =>
        typeof(CaseTable).Assembly.GetManifestResourceNames().Where(static name => name.StartsWith(Folder, StringComparison.Ordinal)).Select(static name => typeof(CaseTable).Assembly.GetManifestResourceStream(name)!);

    private static Dictionary<string, ImmutableArray<Question>> Read(Stream file)
    {
        using var text = new StreamReader(file);
        return QuestionReader.Read(text);
    }
}
