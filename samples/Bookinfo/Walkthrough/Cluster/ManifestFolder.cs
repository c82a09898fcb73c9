namespace Ambient.Samples.Bookinfo.Walkthrough.Cluster;

/// <summary>The folder that every host watches. Copying a manifest into it is this machine's <c>kubectl apply</c>.</summary>
internal sealed class ManifestFolder
{
    private readonly string _samples;
    private readonly string _staging;

    public ManifestFolder(string path, string samples)
    {
        Path = System.IO.Path.GetFullPath(path);
        _samples = samples;
        // On the same file system, so that the move into the folder is atomic: nobody reads half a file.
        _staging = $"{Path}.staging";
        Directory.CreateDirectory(Path);
        Directory.CreateDirectory(_staging);
    }

    /// <summary>The watched folder.</summary>
    public string Path { get; }

    /// <summary>Puts a sample manifest into the folder, over what has the same name.</summary>
    public void Apply(string sample, string? name = null, Func<string, string>? edit = null)
    {
        var text = File.ReadAllText(System.IO.Path.Combine(_samples, sample));
        Write(name ?? sample, edit?.Invoke(text) ?? text);
    }

    /// <summary>Takes a manifest out of the folder.</summary>
    public void Remove(string name) => File.Delete(System.IO.Path.Combine(Path, name));

    /// <summary>Puts only the first document of a sample manifest into the folder.</summary>
    public void ApplyFirstDocument(string sample) => Write(sample, FirstDocument(File.ReadAllText(System.IO.Path.Combine(_samples, sample))));

    /// <summary>Everything before the second document of a YAML text.</summary>
    public static string FirstDocument(string yaml)
    {
        var end = yaml.IndexOf("\n---", StringComparison.Ordinal);
        return end < 0 ? yaml : yaml[..(end + 1)];
    }

    private void Write(string name, string text)
    {
        var staged = System.IO.Path.Combine(_staging, name);
        File.WriteAllText(staged, text);
        File.Move(staged, System.IO.Path.Combine(Path, name), overwrite: true);
    }
}
