using System.Net.Sockets;
using Ambient.Node.Lifetime;

namespace Ambient.Node.Capture.Dns;

/// <summary>
/// A client's questions by TCP. It may ask many without waiting (RFC 7766, 6.2.1.1): each is answered as soon as its answer is known, and one
/// that waits for another server holds up nobody else's. Who says nothing for five seconds has said all.
/// </summary>
internal static class DnsConversation
{
    private const int MostAtOnce = 32;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    /// <summary>Serves a client until it is done; owns its socket, never throws.</summary>
    public static async Task RunAsync(
        Socket client, Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask<byte[]?>> answer, TimeProvider time, CancellationToken stop)
    {
        using var broken = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var room = new SemaphoreSlim(MostAtOnce);
        var writing = new SemaphoreSlim(1);
        var stream = new NetworkStream(client, ownsSocket: true);
        await using (stream.ConfigureAwait(false))
        {
            while (true)
            {
                // Who does not read what it asked for is not asked for more.
                await room.WaitAsync(CancellationToken.None).ConfigureAwait(false);
                if (await NextAsync(stream, time, broken.Token).ConfigureAwait(false) is not { } message)
                {
                    break;
                }

                _ = AnswerAsync(message);
            }

            // Its end may be closed already, and still wait for the rest.
            for (var given = 1; given < MostAtOnce; given++)
            {
                await room.WaitAsync(CancellationToken.None).ConfigureAwait(false);
            }
        }

        async Task AnswerAsync(byte[] message)
        {
            try
            {
                if (await answer(message, broken.Token).ConfigureAwait(false) is { } bytes)
                {
                    await writing.WaitAsync(broken.Token).ConfigureAwait(false);
                    using var limit = new TimeLimit(s_patience, time, broken.Token);
                    await DnsStream.WriteAsync(stream, bytes, limit.Token).ConfigureAwait(false);
                    writing.Release();
                }
                else
                {
                    await broken.CancelAsync().ConfigureAwait(false);
                }
            }
            catch (Exception e) when (e is IOException or OperationCanceledException or SocketException or ObjectDisposedException)
            {
                // It left, or does not read: nothing can follow half an answer.
                await broken.CancelAsync().ConfigureAwait(false);
            }
            finally
            {
                room.Release();
            }
        }
    }

    private static async ValueTask<byte[]?> NextAsync(Stream stream, TimeProvider time, CancellationToken broken)
    {
        using var limit = new TimeLimit(s_patience, time, broken);
        try
        {
            return await DnsStream.ReadAsync(stream, limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or SocketException or ObjectDisposedException)
        {
            return null;
        }
    }
}
