namespace Ambient.Node.Capture.Dns;

/// <summary>A workload whose questions for names are answered, and whose traffic is not carried (<c>ENABLE_PROXY=false</c>).</summary>
internal sealed class DnsNode(DnsListener listener) : INodeCapture
{
    /// <inheritdoc/>
    public Task StartAsync()
    {
        listener.Start();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task DrainAsync(CancellationToken deadline) => Task.CompletedTask;

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => listener.DisposeAsync();
}
