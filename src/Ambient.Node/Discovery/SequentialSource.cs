using Ambient.Node.Discovery.Sources;

namespace Ambient.Node.Discovery;

/// <summary>Sources of which each adds to what those before it have published: a local configuration, and a control plane on top.</summary>
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
