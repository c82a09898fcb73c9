namespace Ambient.Node.Discovery.Documents;

/// <summary>What a YAML source may cost. Beyond any of these it is refused, naming the limit.</summary>
/// <param name="MaxBytes">Size of a file, in bytes.</param>
/// <param name="MaxDocuments">Documents in a file.</param>
/// <param name="MaxNodes">Nodes in a file, aliases written out.</param>
/// <param name="MaxDepth">Nesting of lists and objects.</param>
internal sealed record YamlLimits(long MaxBytes, int MaxDocuments, int MaxNodes, int MaxDepth)
{
    /// <summary>
    /// Manifests: one Kubernetes object is at most a few megabytes, and a folder holds a mesh of a test machine. Schemas of
    /// custom resources nest some fifty levels deep.
    /// </summary>
    public static YamlLimits Manifests { get; } = new(32 << 20, 100_000, 4_000_000, 200);

    /// <summary>ztunnel's local file may describe a whole cluster (100,000 workloads are 22 MB).</summary>
    public static YamlLimits LocalConfig { get; } = new(512L << 20, 1, 200_000_000, 32);
}
