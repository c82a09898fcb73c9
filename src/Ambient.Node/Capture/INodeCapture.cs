namespace Ambient.Node.Capture;

/// <summary>The listeners of a node, whatever they look like.</summary>
internal interface INodeCapture : IAsyncDisposable
{
    /// <summary>Begins to accept. The mesh is known by now. Completes when everything listens that can.</summary>
    Task StartAsync();

    /// <summary>Fails when the node cannot go on; else it never completes.</summary>
    Task Failed => new TaskCompletionSource().Task;

    /// <summary>Stops accepting; what is open runs on until it ends or the deadline comes.</summary>
    Task DrainAsync(CancellationToken deadline);
}
