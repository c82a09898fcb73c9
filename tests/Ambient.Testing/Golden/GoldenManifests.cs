using Ambient.Mesh;
using Ambient.Node.Discovery.Folder;
using Ambient.Node.Discovery.Translation;

namespace Ambient.Testing.Golden;

/// <summary>Reads a case's <c>input.yaml</c> by our own translation.</summary>
public static class GoldenManifests
{
    /// <summary>The snapshot, and the kinds of objects that were not read, with their number.</summary>
    /// <exception cref="InvalidDataException">The file has errors; the message lists them.</exception>
    public static (MeshSnapshot Mesh, IReadOnlyDictionary<string, int> Skipped) Load(string caseFolder)
    {
        var path = Path.Combine(caseFolder, "input.yaml");
        var load = ManifestLoader.LoadText(path, File.ReadAllText(path));
        if (load.Errors.Count > 0)
        {
            throw new InvalidDataException(string.Join('\n', load.Errors.Items));
        }

        var translation = MeshTranslator.Translate(load.Objects, new TranslationOptions());
        var mesh = new MeshSnapshotBuilder(MeshSnapshot.Empty)
            .ReplaceAll(translation.Workloads, translation.Services, translation.Policies)
            .Set(translation.Requests)
            .Build();
        var notRead = new SortedDictionary<string, int>(StringComparer.Ordinal);
        foreach (var (kind, count) in load.Skipped.Concat(load.Unsupported.Where(use => use.Field.Length == 0).Select(use => KeyValuePair.Create(use.Kind, use.Count))))
        {
            notRead[kind] = count;
        }

        return (mesh, notRead);
    }
}
