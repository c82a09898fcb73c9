using System.Runtime.InteropServices;

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
    /// The manifest files, in order of their names: <c>*.yaml</c>, <c>*.yml</c> and <c>*.json</c> here and in subfolders, as
    /// <c>kubectl apply -f</c> takes them. Names that begin with a dot are left out: editors' temporary files, and the
    /// <c>..data</c> folders of mounted ConfigMaps, whose files appear a second time as links. Linked subfolders are left
    /// out because they may lead in circles.
    /// </summary>
    /// <exception cref="IOException">The folder cannot be read, or has more than 10,000 files.</exception>
    public IReadOnlyList<FileStamp> List()
    {
        var files = new List<FileStamp>();
        var leftOut = new List<LeftOutFile>();
        Add(new DirectoryInfo(Path), "", 0, files, leftOut);
        CollectionsMarshal.AsSpan(files).Sort(static (a, b) => string.CompareOrdinal(a.Name, b.Name));
        LeftOut = leftOut;
        return files;
    }

    /// <summary>What the last listing left out although somebody may expect it to be read.</summary>
    public IReadOnlyList<LeftOutFile> LeftOut { get; private set; } = [];

    /// <summary>Whether a name is that of a manifest, by its ending.</summary>
    public static bool IsManifest(string name, StringComparison comparison = StringComparison.Ordinal) =>
        name.EndsWith(".yaml", comparison) || name.EndsWith(".yml", comparison) || name.EndsWith(".json", comparison);

    private static void Add(DirectoryInfo folder, string prefix, int depth, List<FileStamp> files, List<LeftOutFile> leftOut)
    {
        foreach (var entry in folder.EnumerateFileSystemInfos())
        {
            var name = $"{prefix}{entry.Name}";
            if (entry is DirectoryInfo child)
            {
                if (entry.Name.StartsWith('.'))
                {
                    continue;
                }

                if (child.LinkTarget is not null)
                {
                    leftOut.Add(new LeftOutFile($"{name}/", "a link to a folder may lead in a circle"));
                }
                else if (depth == MaxDepth)
                {
                    leftOut.Add(new LeftOutFile($"{name}/", $"folders are read {MaxDepth} levels deep"));
                }
                else
                {
                    Add(child, $"{name}/", depth + 1, files, leftOut);
                }
            }
            else if (entry.Name.StartsWith('.'))
            {
                if (IsManifest(entry.Name))
                {
                    leftOut.Add(new LeftOutFile(name, "its name begins with a dot"));
                }
            }
            else if (IsManifest(entry.Name))
            {
                files.Add(FileStamp.Of(name, entry.FullName));
                if (files.Count > MaxFiles)
                {
                    throw new IOException($"more than {MaxFiles} manifest files");
                }
            }
            else if (IsManifest(entry.Name, StringComparison.OrdinalIgnoreCase))
            {
                leftOut.Add(new LeftOutFile(name, "its ending is not in lower case"));
            }
        }
    }
}

/// <summary>A file or folder that is not read.</summary>
/// <param name="Name">Path within the folder.</param>
/// <param name="Reason">Why.</param>
internal readonly record struct LeftOutFile(string Name, string Reason);

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
