using System.Globalization;
using Ambient.Hbone.Connect;
using Microsoft.AspNetCore.Connections;

namespace Ambient.Hbone.AspNetCore;

/// <summary>A tunnel as a connection of Kestrel's.</summary>
internal sealed class TunnelConnectionContext : DefaultConnectionContext
{
    private static long s_lastId;
    private readonly HboneTunnel _tunnel;
    private readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _disposed;

    public TunnelConnectionContext(HboneTunnel tunnel, IHboneConnectionFeature feature)
        : base("HBONE" + Interlocked.Increment(ref s_lastId).ToString(CultureInfo.InvariantCulture))
    {
        _tunnel = tunnel;
        Transport = tunnel;
        RemoteEndPoint = feature.RemoteEndPoint;
        LocalEndPoint = feature.Destination ?? tunnel.LocalEndPoint;
        ConnectionClosed = tunnel.Closed;
        Features.Set(feature);
    }

    /// <summary>Completes when the server is done with the connection.</summary>
    public Task Completion => _completion.Task;

    public override void Abort(ConnectionAbortedException abortReason) => _tunnel.Abort();

    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        // What was written still leaves; the peer's half, if it is open, ends with a reset after that.
        await _tunnel.Output.CompleteAsync().ConfigureAwait(false);
        await _tunnel.DisposeAsync().ConfigureAwait(false);
        await base.DisposeAsync().ConfigureAwait(false);
        _completion.TrySetResult();
    }
}
