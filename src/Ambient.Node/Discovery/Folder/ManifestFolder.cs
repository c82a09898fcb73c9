namespace Ambient.Node.Discovery.Folder;

/// <summary>The manifest files of a folder and what they look like from outside.</summary>
/// <param name="path">Folder.</param>
internal sealed class ManifestFolder(string path)
{
    private const int MaxFiles = 10_000;
    private const int MaxDepth = 8;

    /// <summary>Folder.</summary>
    public string Path { get; } = path;

    /// <summary>
    /// The manifest files, in order of their names: <c>*.yaml</c> and <c>*.yml</c> here and in subfolders. Names that begin
    /// with a dot are left out: editors' temporary files, and the <c>..data</c> folders of mounted ConfigMaps, whose
    /// files appear a second time as links. Linked subfolders are left out because they may lead in circles.
    /// </summary>
    /// <exception cref="IOException">The folder cannot be read, or has more than 10,000 files.</exception>
    public IReadOnlyList<FileStamp> List()
    {
        var files = new List<FileStamp>();
        Add(new DirectoryInfo(Path), "", 0, files);
        files.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));
        return files;
    }

    private static void Add(DirectoryInfo folder, string prefix, int depth, List<FileStamp> files)
    {
        foreach (var entry in folder.EnumerateFileSystemInfos())
        {
            if (entry.Name.StartsWith('.'))
            {
                continue;
            }

            if (entry is DirectoryInfo child)
            {
                if (depth < MaxDepth && child.LinkTarget is null)
                {
                    Add(child, $"{prefix}{child.Name}/", depth + 1, files);
                }
            }
            else if (entry.Name.EndsWith(".yaml", StringComparison.Ordinal) || entry.Name.EndsWith(".yml", StringComparison.Ordinal))
            {
                files.Add(FileStamp.Of($"{prefix}{entry.Name}", entry.FullName));
                if (files.Count > MaxFiles)
                {
                    throw new IOException($"more than {MaxFiles} manifest files");
                }
            }
        }
    }
}

/// <summary>What tells one version of a file from another without reading it.</summary>
/// <param name="Name">Path within the folder.</param>
/// <param name="Target">Where the file really is, after all links.</param>
/// <param name="Length">Size in bytes; -1 when it is gone.</param>
/// <param name="Modified">Time of its last change.</param>
/// <param name="Created">Time of its creation, which a file that was renamed over another does not share.</param>
internal readonly record struct FileStamp(string Name, string Target, long Length, DateTime Modified, DateTime Created)
{
    /// <summary>The stamp of a file now.</summary>
    public static FileStamp Of(string name, string path)
    {
        try
        {
            var file = new FileInfo(path);
            if (file.ResolveLinkTarget(returnFinalTarget: true) is FileInfo target)
            {
                file = target;
            }

            return file.Exists
                ? new FileStamp(name, file.FullName, file.Length, file.LastWriteTimeUtc, file.CreationTimeUtc)
                : new FileStamp(name, path, -1, default, default);
        }
        catch (IOException)
        {
            // It went away between listing and looking, or its links lead in a circle. Reading it will say so.
            return new FileStamp(name, path, -1, default, default);
        }
    }
}
