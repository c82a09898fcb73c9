using Ambient.Mesh;
using Ambient.Node.Discovery.LocalConfig;
using Ambient.Node.Discovery.Manifests;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Discovery;

/// <summary>Makes the mesh source that options name.</summary>
public static class MeshSource
{
    /// <summary>Makes the source. It does nothing before <see cref="IMeshSource.StartAsync"/>.</summary>
    /// <param name="options">Which source, and what it does not say itself.</param>
    /// <param name="store">Where it publishes.</param>
    /// <param name="logger">Where it says what changed and what is wrong.</param>
    /// <param name="timeProvider">Clock; the system's when null.</param>
    /// <exception cref="MeshSourceException">No source is named, or more than one.</exception>
    public static IMeshSource Create(DiscoveryOptions options, MeshStore store, ILogger logger, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(logger);
        var named = new[] { options.ManifestsFolder, options.LocalConfigPath, options.LocalConfig }.Count(source => !string.IsNullOrEmpty(source));
        if (named != 1)
        {
            throw new MeshSourceException(named == 0
                ? "no mesh source: set AMBIENT_MANIFESTS to a folder of Kubernetes YAML, or LOCAL_XDS_PATH to a file in ztunnel's local format"
                : "more than one mesh source: set only one of AMBIENT_MANIFESTS, LOCAL_XDS_PATH and LOCAL_XDS");
        }

        return string.IsNullOrEmpty(options.ManifestsFolder)
            ? new LocalConfigSource(options, store, logger)
            : new ManifestFolderSource(options, store, logger, timeProvider ?? TimeProvider.System);
    }
}
