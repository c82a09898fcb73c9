using System.Security.Authentication;
using Ambient.Hbone.Tls.Native;

namespace Ambient.Hbone.Tls;

/// <summary>The handshake by OpenSSL, the peer's certificates by us, the records by <see cref="RecordTransport"/>.</summary>
internal sealed class NativeEngine : TlsEngine
{
    private const int OutputSize = 4 * 1024;

    public override string Description => $"{OpenSsl.Version}, called directly";

    public override async Task<TlsTransport> AuthenticateAsync(Side side)
    {
        var records = side.CreateRecords();
        try
        {
            using var handshake = new NativeHandshake(side.Svid, side.IsServer, side.Check);
            while (!Advance(handshake, records))
            {
                await records.FlushGatheredAsync().ConfigureAwait(false);
                await records.WaitForRecordAsync().ConfigureAwait(false);
                Feed(handshake, records);
            }

            await records.FlushGatheredAsync().ConfigureAwait(false);
            var (read, write) = handshake.CreateCiphers();
            return new RecordTransport(side.Channel, records, read, write, !side.IsServer) { PeerPath = side.Check.Path };
        }
        catch
        {
            records.Dispose();
            throw;
        }
    }

    private static bool Advance(NativeHandshake handshake, RecordBuffers records)
    {
        try
        {
            var done = handshake.Advance();
            Gather(handshake, records);
            return done;
        }
        catch (AuthenticationException)
        {
            // The alert. Nobody waits for it.
            Gather(handshake, records);
            records.TrySendLast();
            throw;
        }
    }

    private static void Gather(NativeHandshake handshake, RecordBuffers records)
    {
        for (int count; (count = handshake.Take(records.Reserve(OutputSize))) > 0;)
        {
            records.Advance(count);
        }
    }

    private static void Feed(NativeHandshake handshake, RecordBuffers records)
    {
        var record = records.PeekRecord();
        if (record.IsEmpty)
        {
            throw new AuthenticationException("the peer closed the connection before the handshake was done");
        }

        handshake.Feed(record);
        records.Skip(record.Length);
    }
}
