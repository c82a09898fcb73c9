using System.Threading.Channels;
using Ambient.Node.Protos.Discovery;
using Grpc.Core;

namespace Ambient.Node.Discovery.Xds.Client;

/// <summary>Sends what a stream has to say. Why a stream ended is known to whoever reads it, so a send that fails says nothing about it.</summary>
internal static class XdsSender
{
    /// <summary>How long reading may take to find out that a call is over on which nothing can be sent any more.</summary>
    internal static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Sends one request after the other until the outbox is complete. Never throws. After a failure the rest of the outbox is dropped, so
    /// that reading, which fills it, is not held up; and the call is ended only when reading has gone on for <see cref="Grace"/> as if
    /// nothing had happened, because ending it puts "disposed" in the place of the reason that reading is about to find.
    /// </summary>
    /// <param name="stream">Where to.</param>
    /// <param name="outbox">What to send; completed when reading has ended.</param>
    /// <param name="end">Ends the call.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Gives up.</param>
#pragma warning disable CA1031
    public static async Task SendAsync(
        IAsyncStreamWriter<DeltaDiscoveryRequest> stream, ChannelReader<DeltaDiscoveryRequest> outbox, Action end, TimeProvider time, CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var request in outbox.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            {
                await stream.WriteAsync(request, cancellationToken).ConfigureAwait(false);
            }

            return;
        }
        catch (Exception)
        {
            // Below.
        }

        using var grace = new CancellationTokenSource(Grace, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(grace.Token, cancellationToken);
        try
        {
            await foreach (var _ in outbox.ReadAllAsync(either.Token).ConfigureAwait(false))
            {
            }
        }
        catch (OperationCanceledException)
        {
            end();
        }
    }
#pragma warning restore CA1031
}
