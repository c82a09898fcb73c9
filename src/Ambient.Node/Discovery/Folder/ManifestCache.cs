using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>
/// Reads a folder again and again, each time only the files that changed. An object that says the same as in the reading before stays the
/// same instance, wherever it stands now, so that what was made from it can be kept as well. Not thread-safe.
/// </summary>
/// <param name="folder">Folder that the names of files are relative to.</param>
internal sealed class ManifestCache(string folder)
{
    private Dictionary<string, Held> _files = new(StringComparer.Ordinal);
    private Dictionary<(string Kind, string Key), ManifestObject> _objects = [];
    private IReadOnlyList<FileStamp> _stamps = [];

    /// <summary>How many documents were parsed by all readings together.</summary>
    public long DocumentsParsed { get; private set; }

    /// <summary>Reads files in the given order.</summary>
    /// <param name="files">Every file of the folder.</param>
    /// <param name="cancellationToken">Stops between files.</param>
    public ManifestLoad Load(IReadOnlyList<FileStamp> files, CancellationToken cancellationToken)
    {
        // Somebody was told of a change that no stamp shows. Then only the contents can tell.
        var inDoubt = files.SequenceEqual(_stamps);
        var held = new Dictionary<string, Held>(files.Count, StringComparer.Ordinal);
        foreach (var stamp in files)
        {
            cancellationToken.ThrowIfCancellationRequested();
            held[stamp.Name] = Read(stamp, inDoubt);
        }

        (_files, _stamps) = (held, files);
        var load = ManifestMerge.Of(files.Select(stamp => held[stamp.Name].File));
        if (load.Errors.Count == 0)
        {
            // After a mistake is mended, objects are those from before it.
            _objects = load.Found.Select(static pair => pair.Value).ToDictionary(found => KeyOf(found.Object));
        }

        return load;
    }

    private static (string Kind, string Key) KeyOf(KubernetesObject found) => (found.Meta.Kind, found.Meta.Key);

    private Held Read(FileStamp stamp, bool inDoubt)
    {
        var earlier = _files.GetValueOrDefault(stamp.Name);
        if (earlier is { File.WasRead: true } && earlier.Stamp == stamp && !inDoubt)
        {
            return earlier;
        }

        var path = Path.Combine(folder, stamp.Name);
        if (!ManifestLoader.TryReadBytes(path, out var text, out var unreadable))
        {
            return new Held(stamp, "", unreadable);
        }

        if (earlier is { File.WasRead: true } && earlier.Digest == text.Digest)
        {
            return earlier with { Stamp = stamp };
        }

        var file = ManifestLoader.ReadFile(path, text.Bytes);
        DocumentsParsed += file.Documents;
        return new Held(stamp, text.Digest, file with { Objects = [.. file.Objects.Select(Known)] });
    }

    /// <summary>The object with the instance that the reading before had, where it says the same.</summary>
    private ManifestObject Known(ManifestObject read) =>
        _objects.TryGetValue(KeyOf(read.Object), out var earlier) && earlier.Digest == read.Digest ? read with { Object = earlier.Object } : read;

    private sealed record Held(FileStamp Stamp, string Digest, ManifestFile File);
}
