namespace Ambient.Node.Tests.Discovery;

/// <summary>Where the repository is, above the folder that tests run in.</summary>
internal static class RepositoryFolder
{
    public static string Path { get; } = Find();

    private static string Find()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(System.IO.Path.Combine(folder.FullName, "Ambient.sln")))
        {
            folder = folder.Parent ?? throw new DirectoryNotFoundException("Ambient.sln is in no folder above the tests");
        }

        return folder.FullName;
    }
}
