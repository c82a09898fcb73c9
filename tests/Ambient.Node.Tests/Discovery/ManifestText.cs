using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Folder;
using Ambient.Node.Discovery.Translation;

namespace Ambient.Node.Tests.Discovery;

/// <summary>Manifests written into a test.</summary>
internal static class ManifestText
{
    public static IReadOnlyList<ConfigurationError> Errors(string yaml) => ManifestLoader.LoadText("a.yaml", yaml).Errors.Items;

    public static MeshTranslation Translate(string yaml, TranslationOptions? options = null)
    {
        var load = ManifestLoader.LoadText("a.yaml", yaml);
        Assert.Empty(load.Errors.Items);
        return MeshTranslator.Translate(load.Objects, options ?? new TranslationOptions());
    }
}
