using System.Text.RegularExpressions;
using Ambient.Testing;

namespace Ambient.EndToEnd.Tests.Docs;

/// <summary>Finds, in the sources, the tests that say which of the reference's tests they re-create.</summary>
internal static partial class ReferenceTraits
{
    /// <summary>A test of ours (or a class of them), and where it is written.</summary>
    internal sealed record Test(string Name, string File);

    /// <summary>The reference's names, each with our tests.</summary>
    public static SortedDictionary<string, List<Test>> Find()
    {
        var found = new SortedDictionary<string, List<Test>>(StringComparer.Ordinal);
        var tests = Path.Combine(Repository.Root, "tests");
        foreach (var file in Directory.EnumerateFiles(tests, "*.cs", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            var shown = Path.GetRelativePath(Repository.Root, file).Replace('\\', '/');
            if (!shown.Contains("/obj/", StringComparison.Ordinal) && !shown.Contains("/bin/", StringComparison.Ordinal))
            {
                Read(file, shown, found);
            }
        }

        return found;
    }

    private static void Read(string file, string shown, SortedDictionary<string, List<Test>> found)
    {
        var pending = new List<string>();
        var type = Path.GetFileNameWithoutExtension(file);
        foreach (var line in File.ReadLines(file))
        {
            pending.AddRange(Trait().Matches(line).Select(match => match.Groups[1].Value));
            var isType = Type().Match(line);
            var isMethod = Method().Match(line);
            type = isType.Success ? isType.Groups[1].Value : type;
            if (!isType.Success && !isMethod.Success)
            {
                continue;
            }

            var name = isType.Success ? type : $"{type}.{isMethod.Groups[1].Value}";
            foreach (var reference in pending)
            {
                if (!found.TryGetValue(reference, out var tests))
                {
                    found.Add(reference, tests = []);
                }

                tests.Add(new Test(name, shown));
            }

            pending.Clear();
        }
    }

    [GeneratedRegex("""\bTrait\("Reference", "([^"]+)"\)""")]
    private static partial Regex Trait();

    [GeneratedRegex(@"^\s*(?:public|internal)\s+(?:\w+\s+)*class\s+(\w+)")]
    private static partial Regex Type();

    [GeneratedRegex(@"^\s*public\s+(?:static\s+|async\s+)*(?:void|Task|ValueTask)\s+(\w+)\s*\(")]
    private static partial Regex Method();
}
