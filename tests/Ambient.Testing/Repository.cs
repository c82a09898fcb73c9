namespace Ambient.Testing;

/// <summary>The repository that the tests were built in.</summary>
public static class Repository
{
    /// <summary>The folder that holds the solution.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The text of a file in <c>docs</c>.</summary>
    public static string ReadDocument(string name) => File.ReadAllText(Path.Combine(Root, "docs", name));

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Ambient.sln")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException($"no Ambient.sln above {AppContext.BaseDirectory}");
    }
}
