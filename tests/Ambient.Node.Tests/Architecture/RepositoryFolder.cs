namespace Ambient.Node.Tests.Architecture;

/// <summary>Where the repository is.</summary>
internal static class RepositoryFolder
{
    /// <summary>The folder of the solution, above that of the tests.</summary>
    public static string Root { get; } = Find();

    private static string Find()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Ambient.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("the repository is not above the tests");
    }
}
