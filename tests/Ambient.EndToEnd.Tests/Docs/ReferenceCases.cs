using Ambient.Testing;

namespace Ambient.EndToEnd.Tests.Docs;

/// <summary>The original's own tests, as the specification that this project was given lists them.</summary>
internal sealed class ReferenceCases
{
    private ReferenceCases(IReadOnlyList<ReferenceSection> sections) => Sections = sections;

    /// <summary>In the order of the table.</summary>
    public IReadOnlyList<ReferenceSection> Sections { get; }

    /// <summary>Every name.</summary>
    public IEnumerable<string> Names => Sections.SelectMany(section => section.Names);

    /// <summary>Reads the list that lies beside this file. It stands in for the reference where that folder is absent.</summary>
    public static ReferenceCases Read()
    {
        var sections = new List<ReferenceSection>();
        var known = new HashSet<string>();
        foreach (var line in File.ReadLines(Path.Combine(Repository.Root, "tests/Ambient.EndToEnd.Tests/Docs/ReferenceCases.txt")))
        {
            if (line.StartsWith("## ", StringComparison.Ordinal))
            {
                sections.Add(new ReferenceSection(line[3..], [], []));
            }
            else if (line.Length > 0 && line[0] != '#')
            {
                var parts = line.Split(" = ");
                sections[^1].Cells.Add(parts[0]);
                sections[^1].Names.AddRange(parts[^1].Split(' ').Where(known.Add));
            }
        }

        return new ReferenceCases(sections);
    }

    /// <summary>First column of every table in section 13 of the reference; null where the reference is not beside the repository.</summary>
    public static IReadOnlyList<string>? ReadReference()
    {
        var path = Path.Combine(Repository.Root, "..", "shared", "reference", "ztunnel.md");
        return !File.Exists(path)
            ? null
            : [.. File.ReadLines(path)
                .SkipWhile(line => !line.StartsWith("## 13.", StringComparison.Ordinal))
                .Where(line => line.StartsWith("| ", StringComparison.Ordinal) && !line.StartsWith("| Test |", StringComparison.Ordinal))
                .Select(line => line.Split('|')[1].Trim())];
    }
}

/// <summary>One table: its title, its first column as written, and the names of tests that stand in it.</summary>
internal sealed record ReferenceSection(string Title, List<string> Cells, List<string> Names);
