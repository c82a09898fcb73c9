using Ambient.Mesh;

namespace Ambient.Node.Discovery.Sources;

/// <summary>
/// Fills a <see cref="MeshStore"/> and keeps it current. Started once; disposing it stops it, and the last mesh stays.
/// </summary>
public interface IMeshSource : IAsyncDisposable
{
    /// <summary>
    /// Publishes the first mesh, then goes on in the background. Returns when the first mesh is live, so that whoever
    /// awaits it serves nothing before.
    /// </summary>
    /// <param name="cancellationToken">Gives up waiting for the first mesh.</param>
    /// <exception cref="MeshSourceException">
    /// The source cannot work: it does not exist, or is read once and is wrong.
    /// </exception>
    /// <exception cref="OperationCanceledException">
    /// Waiting was given up; the inner exception is a <see cref="MeshSourceException"/> where what the source holds was wrong.
    /// </exception>
    Task StartAsync(CancellationToken cancellationToken);
}
