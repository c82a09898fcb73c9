using System.Text;
using Ambient.Node.Discovery.Kinds;
using Ambient.Testing;

namespace Ambient.EndToEnd.Tests.Docs;

/// <summary>
/// docs/compatibility.md says which kinds and fields are known and not supported. That part is written from the tables that the reader
/// of manifests is driven by (<c>./build.sh docs</c>), and this test fails when it is not what would be written.
/// </summary>
public sealed class CompatibilityTableTests
{
    private const string Begin = "<!-- kinds: written by ./build.sh docs -->\n";
    private const string End = "<!-- end of kinds -->\n";
    private static readonly string s_document = Path.Combine(Repository.Root, "docs/compatibility.md");

    [Fact]
    public void Document_IsWhatTheTablesSay()
    {
        var text = File.ReadAllText(s_document);
        var (start, end) = (text.IndexOf(Begin, StringComparison.Ordinal), text.IndexOf(End, StringComparison.Ordinal));
        Assert.True(start >= 0 && end > start, "docs/compatibility.md has lost the marks around its table of kinds");
        var written = string.Concat(text.AsSpan(0, start + Begin.Length), Generate(), text.AsSpan(end));
        if (Environment.GetEnvironmentVariable("AMBIENT_WRITE_DOCS") == "1")
        {
            File.WriteAllText(s_document, written);
            return;
        }

        Assert.True(text == written, "docs/compatibility.md is not what the tables of kinds say: write it with ./build.sh docs");
    }

    private static string Generate()
    {
        var text = new StringBuilder("\n| Group | Kind | Known, not supported here |\n|---|---|---|\n");
        foreach (var group in KnownKinds.Groups.Values.OrderBy(group => group.Title, StringComparer.Ordinal))
        {
            foreach (var (kind, use) in group.Kinds.OrderBy(kind => kind.Key, StringComparer.Ordinal))
            {
                var fields = use == FieldUse.NotSupported ? ["the kind"]
                    : group.Schemas.TryGetValue(kind, out var schema) ? schema.Fields.Values.SelectMany(field => NotSupported(field, "")).Order(StringComparer.Ordinal).ToArray()
                    : [];
                if (fields.Length > 0 || (group.IsStrict && use == FieldUse.Acted))
                {
                    text.Append("| ").Append(group.Title).Append(" | ").Append(kind).Append(" | ")
                        .Append(fields.Length == 0 ? "nothing: every field is acted on" : string.Join(", ", fields)).Append(" |\n");
                }
            }
        }

        return text.Append('\n').ToString();
    }

    private static IEnumerable<string> NotSupported(FieldSchema field, string path)
    {
        path = path.Length == 0 ? field.Name : $"{path}.{field.Name}";
        if (field.Use == FieldUse.NotSupported)
        {
            return [$"`{path}`"];
        }

        var values = field.Values?.NotSupported.Select(value => $"`{path}: {value}`") ?? [];
        return values.Concat(field.Fields.Values.SelectMany(below => NotSupported(below, path)));
    }
}
