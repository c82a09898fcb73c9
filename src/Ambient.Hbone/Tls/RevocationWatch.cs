using Ambient.Hbone.Http2;
using Ambient.Identity;

namespace Ambient.Hbone.Tls;

/// <summary>Ends a connection when its peer's certificate is revoked.</summary>
internal static class RevocationWatch
{
    /// <summary>Watches as long as the connection lives. Costs nothing where nobody asks for it.</summary>
    public static void Follow(PeerRevocation? revocation, TlsTransport transport, PeerRole role, Http2Connection connection)
    {
        if (revocation is null || transport.PeerPath is not { } path)
        {
            return;
        }

        var registration = revocation.Register(path, role, () => connection.Abort(new PeerRevokedException()));
        _ = connection.Completion.ContinueWith(
            static (_, state) => ((IDisposable)state!).Dispose(), registration, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }
}
