namespace Ambient.Hbone.Messages;

/// <summary>The bytes that a client of HTTP/2 begins with (RFC 9113 section 3.4).</summary>
internal static class Preface
{
    /// <summary>What it says.</summary>
    public static ReadOnlySpan<byte> Bytes => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8;

    /// <summary>Whether a channel begins with it. Takes nothing.</summary>
    /// <exception cref="IOException">The channel failed.</exception>
    /// <exception cref="OperationCanceledException">Cancelled, or nothing came for as long as a connection may idle.</exception>
    public static async ValueTask<bool> IsNextAsync(MessageChannel channel, TimeProvider time, MessageServerOptions options, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(options.IdleTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
        for (var seen = 0; ;)
        {
            var bytes = await channel.PeekAsync(Bytes.Length, either.Token).ConfigureAwait(false);
            if (!Bytes.StartsWith(bytes.Span) || bytes.Length == Bytes.Length)
            {
                return bytes.Length == Bytes.Length && Bytes.SequenceEqual(bytes.Span);
            }

            if (bytes.Length == seen)
            {
                return false;
            }

            seen = bytes.Length;
            patience.CancelAfter(options.HeadTimeout);
        }
    }
}
