using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Ambient.Node.Protos.Discovery;
using Google.Protobuf;

namespace Ambient.Testing.ControlPlane;

/// <summary>
/// An xDS server, frame by frame, that ends its connections as istiod's gRPC does when they have reached their greatest age: GOAWAY with
/// NO_ERROR and the largest stream number, a PING, once that is answered GOAWAY with the real last stream (RFC 9113 section 6.8), and after a
/// grace, in which the stream is left open, the end of the connection.
/// </summary>
internal sealed class AgeingServer : IAsyncDisposable
{
    private const byte Data = 0, Headers = 1, Settings = 4, Ping = 6, GoAway = 7;
    private const byte Ack = 1, EndHeaders = 4;
    private const int PrefaceLength = 24;
    private const int LargestStream = int.MaxValue;

    // :status 200 from the static table; content-type by its index there, and the value as it is (RFC 7541 section 6).
    private static readonly byte[] s_answer = [0x88, 0x0f, 0x10, 16, .. "application/grpc"u8];
    private static readonly string[] s_types = ["type.googleapis.com/istio.workload.Address", "type.googleapis.com/istio.security.Authorization"];

    private readonly TcpListener _listener;
    private readonly string _folder;
    private readonly ConcurrentQueue<Connection> _connections = new();
    private readonly Task _accepting;

    private AgeingServer(TcpListener listener, string folder)
    {
        _listener = listener;
        _folder = folder;
        _accepting = AcceptAsync();
    }

    /// <summary>Address by name.</summary>
    public Uri Address => new($"https://localhost:{((IPEndPoint)_listener.LocalEndpoint).Port}");

    /// <summary>File of the root that its certificate leads to.</summary>
    public string RootFile => Path.Combine(_folder, "root-cert.pem");

    /// <summary>Streams that were opened so far.</summary>
    public int Streams => _connections.Count(static connection => connection.Stream > 0);

    /// <summary>Starts a server.</summary>
    public static AgeingServer Start()
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return new AgeingServer(listener, Directory.CreateTempSubdirectory("ambient-istiod-").FullName);
    }

    /// <summary>Says goodbye on the newest connection and closes it.</summary>
    /// <param name="reset">Whether TCP is reset after the goodbye; else TLS and TCP end in order.</param>
    public Task SayGoodbyeAsync(bool reset = false) => _connections.Last().SayGoodbyeAsync(reset);

    /// <summary>Closes the newest connection without a word of HTTP/2.</summary>
    /// <param name="reset">Whether TCP is reset; else TLS and TCP end in order.</param>
    /// <param name="unanswered">Responses that are sent just before, so that the client is about to acknowledge them.</param>
    public async Task BreakOffAsync(bool reset, int unanswered = 0)
    {
        var connection = _connections.Last();
        for (var i = 0; i < unanswered; i++)
        {
            await connection.RespondAsync(s_types[i % s_types.Length]);
        }

        await connection.CloseAsync(reset);
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Stop();
        await _accepting;
        foreach (var connection in _connections)
        {
            connection.Dispose();
        }

        Directory.Delete(_folder, recursive: true);
    }

    private async Task AcceptAsync()
    {
        var certificate = ControlPlaneServer.ServerCertificate(_folder, ["localhost"]);
        try
        {
            while (true)
            {
                var socket = await _listener.AcceptSocketAsync();
                var tls = new SslStream(new NetworkStream(socket, ownsSocket: true));
                await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
                {
                    ServerCertificate = certificate,
                    EnabledSslProtocols = SslProtocols.Tls13,
                    ApplicationProtocols = [SslApplicationProtocol.Http2],
                });
                var connection = new Connection(socket, tls);
                _connections.Enqueue(connection);
                connection.Serving = connection.ServeAsync();
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or IOException or AuthenticationException)
        {
            // The listener was stopped, or a client that came just then went.
        }
    }

    private sealed class Connection(Socket socket, SslStream tls) : IDisposable
    {
        private readonly SemaphoreSlim _writing = new(1);
        private readonly CancellationTokenSource _enough = new();
        private readonly SemaphoreSlim _acknowledged = new(0);
        private int _stream;

        public int Stream => Volatile.Read(ref _stream);

        public Task Serving { get; set; } = Task.CompletedTask;

        public async Task ServeAsync()
        {
            try
            {
                await tls.ReadExactlyAsync(new byte[PrefaceLength], _enough.Token);
                await SendAsync(Settings, 0, 0, default);
                var head = new byte[9];
                while (true)
                {
                    await tls.ReadExactlyAsync(head, _enough.Token);
                    var payload = new byte[(head[0] << 16) | (head[1] << 8) | head[2]];
                    await tls.ReadExactlyAsync(payload, _enough.Token);
                    var (type, flags, stream) = (head[3], head[4], BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(5)));
                    switch (type)
                    {
                        case Settings when flags == 0:
                            await SendAsync(Settings, Ack, 0, default);
                            break;
                        case Ping when flags == 0:
                            await SendAsync(Ping, Ack, 0, payload);
                            break;
                        case Ping:
                            _acknowledged.Release();
                            break;
                        case Headers:
                            await SendAsync(Headers, EndHeaders, stream, s_answer);

                            // Before the client can act on the answer, and ask for the connection to be ended.
                            Volatile.Write(ref _stream, stream);
                            foreach (var url in s_types)
                            {
                                await RespondAsync(url);
                            }

                            break;
                    }
                }
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException or OperationCanceledException)
            {
                // The end of the connection, whoever's.
            }
        }

        public Task RespondAsync(string type) => SendAsync(Data, 0, Stream, Message(type));

        public async Task SayGoodbyeAsync(bool reset)
        {
            await SendAsync(GoAway, 0, 0, Leaving(LargestStream));
            await PingAsync();
            await SendAsync(GoAway, 0, 0, Leaving(Stream));

            // So that the client has read the goodbye before the connection ends: a reset discards what was not read.
            await PingAsync();
            await CloseAsync(reset);
        }

        public async Task CloseAsync(bool reset)
        {
            // Nothing may be under way: TLS cannot be shut down while another thread decrypts, and a socket that is closed under a
            // pending read may say FIN before it resets.
            await _enough.CancelAsync();
            await Serving;
            if (reset)
            {
                socket.LingerState = new LingerOption(true, 0);
                socket.Close();
            }
            else
            {
                // What the client has just sent must be read to its end: a socket that is closed over unread bytes resets.
                await tls.ShutdownAsync();
                socket.Shutdown(SocketShutdown.Send);
                using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5));
                try
                {
                    var unread = new byte[4096];
                    while (await socket.ReceiveAsync(unread, patience.Token) > 0)
                    {
                    }
                }
                catch (Exception e) when (e is SocketException or OperationCanceledException)
                {
                    // The client reset it, or keeps its half open: closing is all that is left.
                }
            }

            Dispose();
        }

        public void Dispose()
        {
            tls.Dispose();
            _writing.Dispose();
            _acknowledged.Dispose();
            _enough.Dispose();
        }

        /// <summary>When it returns, the client has read everything that was sent before.</summary>
        private async Task PingAsync()
        {
            await SendAsync(Ping, 0, 0, new byte[8]);
            if (!await _acknowledged.WaitAsync(TimeSpan.FromSeconds(30)))
            {
                throw new TimeoutException("a PING was not acknowledged");
            }
        }

        private static byte[] Message(string type)
        {
            var message = new DeltaDiscoveryResponse { TypeUrl = type, Nonce = type }.ToByteArray();
            var framed = new byte[5 + message.Length];
            BinaryPrimitives.WriteInt32BigEndian(framed.AsSpan(1), message.Length);
            message.CopyTo(framed, 5);
            return framed;
        }

        private static byte[] Leaving(int last)
        {
            var payload = new byte[8];
            BinaryPrimitives.WriteInt32BigEndian(payload, last);
            return payload;
        }

        private async Task SendAsync(byte type, byte flags, int stream, ReadOnlyMemory<byte> payload)
        {
            var frame = new byte[9 + payload.Length];
            BinaryPrimitives.WriteInt32BigEndian(frame, payload.Length << 8);
            (frame[3], frame[4]) = (type, flags);
            BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), stream);
            payload.CopyTo(frame.AsMemory(9));
            await _writing.WaitAsync();
            try
            {
                await tls.WriteAsync(frame);
            }
            finally
            {
                _writing.Release();
            }
        }
    }
}
