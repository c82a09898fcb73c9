using Ambient.Hbone;

namespace Ambient.Node.Waypoint;

/// <summary>Moves bytes both ways between a tunnel and a stream; each direction ends on its own.</summary>
internal static class StreamRelay
{
    /// <summary>Relays until both directions have ended, or one failed.</summary>
    public static async Task RunAsync(HboneTunnel client, Stream server, CancellationToken cancellationToken)
    {
        using var failed = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAll(ToServerAsync(client, server, failed), ToClientAsync(client, server, failed)).ConfigureAwait(false);
    }

    private static async Task ToServerAsync(HboneTunnel client, Stream server, CancellationTokenSource failed)
    {
        try
        {
            while (true)
            {
                var result = await client.Input.ReadAsync(failed.Token).ConfigureAwait(false);
                foreach (var segment in result.Buffer)
                {
                    await server.WriteAsync(segment, failed.Token).ConfigureAwait(false);
                }

                client.Input.AdvanceTo(result.Buffer.End);
                await server.FlushAsync(failed.Token).ConfigureAwait(false);
                if (result.IsCompleted)
                {
                    break;
                }
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            await failed.CancelAsync().ConfigureAwait(false);
            client.Abort();
        }
    }

    private static async Task ToClientAsync(HboneTunnel client, Stream server, CancellationTokenSource failed)
    {
        try
        {
            await server.CopyToAsync(client.Output.AsStream(), failed.Token).ConfigureAwait(false);
            await client.Output.CompleteAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            await failed.CancelAsync().ConfigureAwait(false);
            client.Abort();
        }
    }
}
