using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>What one file has, looked at alone.</summary>
/// <param name="Name">Name of the file, as messages have it.</param>
/// <param name="Objects">Objects without errors, in the order of the file.</param>
/// <param name="Errors">What is wrong.</param>
/// <param name="Skipped">Kinds that the mesh does not use, and how many objects of each.</param>
/// <param name="Unsupported">Kinds and fields that are known and not supported here.</param>
/// <param name="HoldsNoManifest">Whether it is another tool's file: it holds documents, and no Kubernetes object.</param>
/// <param name="Documents">How many documents were parsed.</param>
internal sealed record ManifestFile(
    string Name,
    IReadOnlyList<ManifestObject> Objects,
    ConfigurationErrors Errors,
    IReadOnlyDictionary<string, int> Skipped,
    IReadOnlyList<UnsupportedConfiguration> Unsupported,
    bool HoldsNoManifest,
    int Documents)
{
    /// <summary>Whether the file could be read at all; one that could not may read differently although it looks the same.</summary>
    public bool WasRead { get; init; } = true;
}

/// <summary>An object as it stands in a file.</summary>
/// <param name="Object">The object. Where an earlier reading had one that says the same, that one, whatever place it was read at.</param>
/// <param name="Digest">What it says (<see cref="DocumentDigest"/>).</param>
/// <param name="Place">Where it stands now.</param>
/// <param name="Metadata">An error about its metadata, without the message.</param>
internal sealed record ManifestObject(KubernetesObject Object, string Digest, ObjectPlace Place, ConfigurationError Metadata);
