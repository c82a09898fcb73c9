namespace Ambient.Testing;

/// <summary>The documents of the repository that the tests were built in.</summary>
public static class RepositoryDocs
{
    /// <summary>The text of a file in <c>docs</c>.</summary>
    public static string Read(string name)
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Ambient.sln")))
            {
                return File.ReadAllText(Path.Combine(folder.FullName, "docs", name));
            }
        }

        throw new InvalidOperationException("the repository is not above the tests");
    }
}
