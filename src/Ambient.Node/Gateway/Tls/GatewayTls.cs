using System.Collections.Immutable;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Ambient.Hbone.Admission;

namespace Ambient.Node.Gateway.Tls;

/// <summary>
/// TLS at one port of a gateway: which listener a client means is said by the server name that it asks for (RFC 6066 section 3), and each shows a
/// certificate of its own. What it shows may change while it runs; connections that are open stay as they are.
/// </summary>
internal sealed class GatewayTls
{
    // What a client may take before it has shaken hands: as inside the mesh.
    private const int MaxHandshakeSize = 16 * 1024;
    private static readonly TimeSpan s_handshakeTimeout = TimeSpan.FromSeconds(10);

    private readonly TimeProvider _time;
    private ImmutableArray<(string? Hostname, TlsIdentity Identity)> _listeners = [];

    /// <param name="time">Clock.</param>
    public GatewayTls(TimeProvider time) => _time = time;

    /// <summary>Replaces what is shown.</summary>
    /// <param name="listeners">Host names of the port's listeners, exact or with a wildcard first label, null for all; and what each shows.</param>
    public void Show(ImmutableArray<(string? Hostname, TlsIdentity Identity)> listeners) =>
        ImmutableInterlocked.InterlockedExchange(ref _listeners, listeners);

    /// <summary>Shakes hands. Null: the client did not get through, and its connection is closed.</summary>
    /// <param name="socket">The connection; owned from here.</param>
    /// <param name="budget">Bounds the handshakes that are under way.</param>
    /// <param name="address">The client's address.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<SslStream?> AcceptAsync(Socket socket, ConnectionBudget budget, IPAddress address, CancellationToken cancellationToken)
    {
        using var place = budget.BeginHandshake(address, () => ShutDown(socket));
        var transport = new HandshakeStream(socket, place, MaxHandshakeSize);
        var tls = new SslStream(transport, leaveInnerStreamOpen: false);
        try
        {
            using var patience = new CancellationTokenSource(s_handshakeTimeout, _time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
            await tls.AuthenticateAsServerAsync(Choose, null, either.Token).ConfigureAwait(false);
            transport.Establish();
            return tls;
        }
        catch (Exception e) when (e is AuthenticationException or IOException or OperationCanceledException or InvalidOperationException or ObjectDisposedException)
        {
            await tls.DisposeAsync().ConfigureAwait(false);
            return null;
        }
    }

    private static void ShutDown(Socket socket)
    {
        try
        {
            socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It has ended by itself.
        }
    }

    private ValueTask<SslServerAuthenticationOptions> Choose(SslStream stream, SslClientHelloInfo hello, object? state, CancellationToken cancellationToken) =>
        Find(hello.ServerName) is { } identity
            ? new(identity.Options)
            : throw new AuthenticationException("no listener of this port has that server name");

    private TlsIdentity? Find(string serverName)
    {
        TlsIdentity? best = null;
        var length = -1;
        foreach (var (hostname, identity) in _listeners)
        {
            var specificity = hostname is null ? 0 : hostname.StartsWith("*.", StringComparison.Ordinal) ? hostname.Length : int.MaxValue;
            if (specificity > length && Matches(hostname, serverName))
            {
                (best, length) = (identity, specificity);
            }
        }

        return best;
    }

    private static bool Matches(string? hostname, string serverName) => hostname is null
        || (hostname.StartsWith("*.", StringComparison.Ordinal)
            ? serverName.Length >= hostname.Length && serverName.EndsWith(hostname[1..], StringComparison.OrdinalIgnoreCase)
            : serverName.Equals(hostname, StringComparison.OrdinalIgnoreCase));
}
