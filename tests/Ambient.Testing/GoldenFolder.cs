using Xunit;

namespace Ambient.Testing;

/// <summary>
/// Where the recorded answers of the originals are: the folder that <c>AMBIENT_GOLDEN</c> names, else
/// <c>shared/golden</c> beside the repository. Read in place, never copied. A test that needs them is skipped, with the
/// reason, where they are absent.
/// </summary>
public static class GoldenFolder
{
    private const string Absent = "(no golden folder)";

    /// <summary>The folder, or null where there is none.</summary>
    public static string? Root { get; } = Find();

    /// <summary>
    /// Names of the case folders in a group (<c>mesh</c>, <c>http</c>), as theory data. Where the golden folder is absent
    /// there is one row, for which <see cref="Case"/> skips the test.
    /// </summary>
    public static IEnumerable<object[]> Cases(string group)
    {
        var folder = Root is null ? null : Path.Combine(Root, group);
        return folder is null || !Directory.Exists(folder)
            ? [[Absent]]
            : Directory.EnumerateDirectories(folder).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal).Select(name => new object[] { name });
    }

    /// <summary>The path of a file or folder below the golden folder; skips the test where it does not exist.</summary>
    public static string Require(params string[] path)
    {
        Skip.If(Root is null, "the golden recordings are not beside this repository; AMBIENT_GOLDEN may name their folder");
        var full = Path.Combine([Root!, .. path]);
        Skip.IfNot(File.Exists(full) || Directory.Exists(full), $"{full} does not exist");
        return full;
    }

    /// <summary>The folder of a case; skips the test where the golden folder is absent.</summary>
    public static string Case(string group, string name) => name == Absent ? Require(group, "") : Require(group, name);

    private static string? Find()
    {
        if (Environment.GetEnvironmentVariable("AMBIENT_GOLDEN") is { Length: > 0 } named)
        {
            return Directory.Exists(named)
                ? Path.GetFullPath(named)
                : throw new DirectoryNotFoundException($"AMBIENT_GOLDEN names '{named}', which does not exist");
        }

        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var candidate = Path.Combine(folder.FullName, "shared", "golden");
            if (Directory.Exists(candidate))
            {
                return candidate;
            }
        }

        return null;
    }
}
