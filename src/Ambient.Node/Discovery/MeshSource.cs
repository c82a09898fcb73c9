using Ambient.Mesh;
using Ambient.Node.Discovery.Folder;
using Ambient.Node.Discovery.LocalConfig;
using Ambient.Node.Discovery.Sources;
using Ambient.Node.Discovery.Xds.Client;
using Ambient.Node.Telemetry.Metrics;
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
    public static IMeshSource Create(DiscoveryOptions options, MeshStore store, ILogger logger, TimeProvider? timeProvider = null) =>
        Create(options, store, logger, timeProvider ?? TimeProvider.System, metrics: null);

    /// <summary>
    /// For hosts that count what a control plane sends, ask it for addresses on demand, or ask it for other things than its workload API.
    /// </summary>
    internal static IMeshSource Create(
        DiscoveryOptions options, MeshStore store, ILogger logger, TimeProvider time, MetricRegistry? metrics, AddressDemand? demand = null, Func<IXdsSession>? session = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(logger);
        var files = new[] { options.ManifestsFolder, options.LocalConfigPath, options.LocalConfig }.Count(source => !string.IsNullOrEmpty(source));
        if (files > 1)
        {
            throw new MeshSourceException("more than one mesh source: set only one of AMBIENT_MANIFESTS, LOCAL_XDS_PATH and LOCAL_XDS");
        }

        if (options.Xds is { } xds)
        {
            var counted = metrics is null ? null : new XdsMetrics(metrics);
            if (!string.IsNullOrEmpty(options.ManifestsFolder))
            {
                // What there is, istiod says; how requests are served, the folder, for the workload API has no words for it.
                return new SequentialSource(
                    [new XdsSource(xds, store, counted, logger, time, demand), new ManifestFolderSource(options, store, logger, time, requestsOnly: true)]);
            }

            if (files == 0)
            {
                return FromControlPlane();
            }

            // Made first, its part of the mesh goes first: what is written on this machine stands, whatever the control plane sends.
            var local = new LocalConfigSource(options, store, logger);
            return new SequentialSource([local, FromControlPlane()]);

            XdsSource FromControlPlane() => session is null
                ? new XdsSource(xds, store, counted, logger, time, demand)
                : new XdsSource(xds, store, session(), counted, logger, time);
        }

        if (files == 0)
        {
            throw new MeshSourceException(
                "no mesh source: set XDS_ADDRESS to a control plane, AMBIENT_MANIFESTS to a folder of Kubernetes YAML, or LOCAL_XDS_PATH to a file in ztunnel's local format");
        }

        return string.IsNullOrEmpty(options.ManifestsFolder)
            ? new LocalConfigSource(options, store, logger)
            : new ManifestFolderSource(options, store, logger, time);
    }
}
