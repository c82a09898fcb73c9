using Ambient.Node.Discovery.Sources;

namespace Ambient.Node.Discovery;

/// <summary>Several sources, each with a part of the mesh of its own, started one after the other: a local configuration, then a control plane.</summary>
internal sealed class SequentialSource(IReadOnlyList<IMeshSource> sources) : IMeshSource
{
    /// <inheritdoc/>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var source in sources)
        {
            await source.StartAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var source in sources.Reverse())
        {
            await source.DisposeAsync().ConfigureAwait(false);
        }
    }
}
