using System.Collections.Immutable;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Ambient.Hbone.Admission;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Node.Requests;

namespace Ambient.Node.Gateway.Tls;

/// <summary>
/// TLS at one port of a gateway: which listener a client means is said by the server name that it asks for (RFC 6066 section 3), and each shows a
/// certificate of its own, or has its bytes passed through. What it shows may change while it runs; connections that are open stay as they are.
/// </summary>
internal sealed class GatewayTls
{
    // What a client may take before it has shaken hands: as inside the mesh.
    private const int MaxHandshakeSize = 16 * 1024;
    private static readonly TimeSpan s_handshakeTimeout = TimeSpan.FromSeconds(10);

    private readonly TimeProvider _time;
    private Shown _shown = new([], HasPassthrough: false);

    /// <param name="time">Clock.</param>
    public GatewayTls(TimeProvider time) => _time = time;

    /// <summary>Replaces what is shown.</summary>
    /// <param name="listeners">The port's listeners, those that are not served too: nobody else answers for their host names.</param>
    public void Show(ImmutableArray<TlsListener> listeners) => Volatile.Write(ref _shown, new Shown(listeners, listeners.Any(static listener => listener.IsPassthrough)));

    /// <summary>Shakes hands, or finds that the client is passed through. Null: the client did not get through, and its connection is closed.</summary>
    /// <param name="socket">The connection; owned from here.</param>
    /// <param name="budget">Bounds the handshakes that are under way.</param>
    /// <param name="address">The client's address.</param>
    /// <param name="io">Whose threads move what is passed through.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<TlsArrival?> AcceptAsync(Socket socket, ConnectionBudget budget, IPAddress address, HboneIo io, CancellationToken cancellationToken)
    {
        // One connection sees one state from beginning to end.
        var shown = Volatile.Read(ref _shown);
        using var place = budget.BeginHandshake(address, () => ShutDown(socket));
        using var patience = new CancellationTokenSource(s_handshakeTimeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        var hello = ReadOnlyMemory<byte>.Empty;
        if (shown.HasPassthrough)
        {
            var (received, name) = await ReadHelloAsync(socket, either.Token).ConfigureAwait(false);
            if (name is null || shown.Find(name) is not { } meant)
            {
                socket.Dispose();
                return null;
            }

            if (meant.IsPassthrough)
            {
                return new TlsArrival(meant, name) { Opaque = MessageChannel.AfterReceiving(socket, io, received.Span) };
            }

            hello = received;
        }

        return await ShakeHandsAsync(socket, shown, place, hello, either.Token).ConfigureAwait(false);
    }

    private static async Task<TlsArrival?> ShakeHandsAsync(Socket socket, Shown shown, HandshakePlace place, ReadOnlyMemory<byte> received, CancellationToken cancellationToken)
    {
        var transport = new HandshakeStream(socket, place, MaxHandshakeSize, received);
        var tls = new SslStream(transport, leaveInnerStreamOpen: false);
        TlsListener? chosen = null;
        var serverName = "";
        var verified = false;
        try
        {
            await tls.AuthenticateAsServerAsync(Choose, null, cancellationToken).ConfigureAwait(false);
            transport.Establish();
            return new TlsArrival(chosen!, serverName) { Stream = tls, IsClientVerified = verified };
        }
#pragma warning disable CA1031 // What clients send, certificates among it, is read by much code that is not ours: whatever it throws ends this connection.
        catch (Exception)
#pragma warning restore CA1031
        {
            await tls.DisposeAsync().ConfigureAwait(false);
            return null;
        }

        ValueTask<SslServerAuthenticationOptions> Choose(SslStream stream, SslClientHelloInfo hello, object? state, CancellationToken cancellationToken)
        {
            serverName = hello.ServerName.ToLowerInvariant();
            var bytes = transport.TakeHello();
            return shown.Find(serverName) is { Identity: { } identity } found
                ? new((chosen = found).Identity!.OptionsFor(identity.HasChoice ? bytes : default, isVerified => verified = isVerified))
                : throw new AuthenticationException("no listener of this port has that server name");
        }
    }

    /// <summary>The ClientHello, and the server name that it asks for. No name: it is not TLS, is malformed, or has not come.</summary>
    private static async ValueTask<(ReadOnlyMemory<byte> Received, string? Name)> ReadHelloAsync(Socket socket, CancellationToken cancellationToken)
    {
        var buffer = new byte[2048];
        var count = 0;
        try
        {
            while (true)
            {
                var read = await socket.ReceiveAsync(buffer.AsMemory(count), cancellationToken).ConfigureAwait(false);
                if (read == 0)
                {
                    return default;
                }

                count += read;
                if (buffer[0] != 0x16)
                {
                    return default;
                }

                if (ServerNameSniffer.TryRead(buffer.AsSpan(0, count), out var name))
                {
                    return (buffer.AsMemory(0, count), name);
                }

                if (count == buffer.Length)
                {
                    // TryRead tells at the limit, whatever came.
                    Array.Resize(ref buffer, Math.Min(MaxHandshakeSize, buffer.Length * 2));
                }
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            return default;
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

    private sealed record Shown(ImmutableArray<TlsListener> Listeners, bool HasPassthrough)
    {
        /// <summary>The most specific listener for a server name.</summary>
        public TlsListener? Find(string serverName)
        {
            TlsListener? best = null;
            var length = -1;
            foreach (var listener in Listeners)
            {
                var hostname = listener.Hostname;
                var specificity = hostname is null ? 0 : hostname.StartsWith("*.", StringComparison.Ordinal) ? hostname.Length : int.MaxValue;
                if (specificity > length && Matches(hostname, serverName))
                {
                    (best, length) = (listener, specificity);
                }
            }

            return best;
        }

        private static bool Matches(string? hostname, string serverName) => hostname is null or "*"
            || (hostname.StartsWith("*.", StringComparison.Ordinal)
                ? serverName.Length >= hostname.Length && serverName.EndsWith(hostname[1..], StringComparison.OrdinalIgnoreCase)
                : serverName.Equals(hostname, StringComparison.OrdinalIgnoreCase));
    }
}
