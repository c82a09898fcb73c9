namespace Ambient.EndToEnd.Tests;

/// <summary>Where the repository is, for tests that use its files.</summary>
internal static class Repository
{
    /// <summary>The folder that holds the solution.</summary>
    public static string Root { get; } = FindRoot();

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
