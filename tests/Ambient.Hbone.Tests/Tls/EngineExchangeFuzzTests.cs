using System.Net;
using System.Net.Sockets;
using Ambient.Hbone.Http2;
using Ambient.Hbone.Sockets;
using Ambient.Hbone.Tls;
using Ambient.Identity;
using Ambient.Testing.Certificates;
using Ambient.Testing.Fuzzing;

namespace Ambient.Hbone.Tests.Tls;

/// <summary>
/// Our records and those of <see cref="System.Net.Security.SslStream"/> against each other, over a wire that cuts them anywhere: pieces of
/// any size both ways at once, with keys that we change as we go, and with a byte damaged on the way.
/// </summary>
public sealed class EngineExchangeFuzzTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private readonly TestAuthority _authority = new();

    [Theory]
    [Trait("Category", "Fuzz")]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public Task Bytes_OfAnySize_ArriveAsTheyWereSent(bool nativeClient, bool nativeServer) =>
        FuzzBudget.RunAsync(12, random => RoundAsync(random, nativeClient, nativeServer, damage: false));

    [Theory]
    [Trait("Category", "Fuzz")]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public Task ADamagedByte_EndsItWithAFailure_AndNothingBehindItArrives(bool nativeClient, bool nativeServer) =>
        FuzzBudget.RunAsync(12, random => RoundAsync(random, nativeClient, nativeServer, damage: true));

    private async Task RoundAsync(Random random, bool nativeClient, bool nativeServer, bool damage)
    {
        await using var wire = await Wire.CreateAsync(random);
        var handshakes = (Shake(wire.Client, nativeClient, isServer: false), Shake(wire.Server, nativeServer, isServer: true));
        await using var client = await handshakes.Item1.WaitAsync(s_patience);
        await using var server = await handshakes.Item2.WaitAsync(s_patience);
        foreach (var transport in new[] { client, server }.OfType<RecordTransport>().Where(_ => random.Next(2) == 0))
        {
            transport.LimitRecords((ulong)random.Next(1, 5));
        }

        var (up, down) = (Pieces(random), Pieces(random));
        if (damage)
        {
            wire.DamageAt = random.Next(up.Sum(static piece => piece.Length) + 1);
        }

        var atClient = ExchangeAsync(client, up);
        var atServer = ExchangeAsync(server, down);
        var (gotDown, gotUp) = (await atClient.WaitAsync(s_patience), await atServer.WaitAsync(s_patience));

        AssertBegins(Joined(up), gotUp.Bytes);
        AssertBegins(Joined(down), gotDown.Bytes);
        if (damage)
        {
            Assert.NotNull(gotUp.Failure);
        }
        else
        {
            Assert.Null(gotUp.Failure);
            Assert.Null(gotDown.Failure);
            Assert.Equal((up.Sum(static piece => piece.Length), down.Sum(static piece => piece.Length)), (gotUp.Bytes.Length, gotDown.Bytes.Length));
        }
    }

    private Task<TlsTransport> Shake(Socket socket, bool native, bool isServer)
    {
        var svid = _authority.Issue("default", isServer ? "server" : "client");
        var limits = new HandshakeLimits(s_patience, 16 * 1024, 8);
        var check = new PeerCheck(svid.Roots, isServer ? PeerRole.Client : PeerRole.Server, SpiffeIdMatcher.Any, null, limits, TimeProvider.System);
        return (native ? Engines.Native : Engines.Managed).AuthenticateAsync(
            new(new SocketChannel(socket, HboneIo.Default.NextLoop()), svid, isServer, check, Turns: null, limits));
    }

    private static List<byte[]> Pieces(Random random)
    {
        var pieces = new List<byte[]>();
        for (var count = random.Next(8); count > 0; count--)
        {
            var piece = new byte[random.Next(4) == 0 ? random.Next(1, 60_000) : random.Next(1, 200)];
            random.NextBytes(piece);
            pieces.Add(piece);
        }

        return pieces;
    }

    /// <summary>Sends all of it and says that this is the end, then reads to the end of the other side. One after the other: the wire holds what is not read.</summary>
    private static async Task<(byte[] Bytes, Exception? Failure)> ExchangeAsync(TlsTransport transport, List<byte[]> pieces)
    {
        try
        {
            foreach (var piece in pieces)
            {
                await transport.WriteAsync(piece);
                await transport.FlushAsync();
            }

            await transport.CloseWriteAsync();
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            // The other side has found the damage and is gone.
        }

        var got = new List<byte>();
        try
        {
            var space = new byte[4 * Http2Transport.MinReadSpace];
            while (true)
            {
                await transport.WaitToReadAsync();
                var count = transport.TryRead(space);
                if (count < 0)
                {
                    return ([.. got], null);
                }

                got.AddRange(space.AsSpan(0, count));
            }
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            // Whoever has failed hangs up.
            transport.Abort();
            return ([.. got], e);
        }
    }

    private static byte[] Joined(List<byte[]> pieces) => [.. pieces.SelectMany(static piece => piece)];

    private static void AssertBegins(byte[] whole, byte[] beginning)
    {
        Assert.True(beginning.Length <= whole.Length, $"{beginning.Length} bytes arrived of {whole.Length}");
        Assert.True(whole.AsSpan(0, beginning.Length).SequenceEqual(beginning), "other bytes arrived than were sent");
    }

    /// <summary>Two connections with something between that passes bytes on in pieces of any size, keeps what is not taken yet, and damages one byte.</summary>
    private sealed class Wire : IAsyncDisposable
    {
        private readonly Socket[] _sockets;
        private readonly Task _passing;
        private int _damageAt = -1;

        private Wire(Socket client, Socket clientEnd, Socket serverEnd, Socket server, int seed)
        {
            (Client, Server) = (client, server);
            _sockets = [clientEnd, serverEnd, client, server];
            _passing = Task.WhenAll(PassAsync(clientEnd, serverEnd, new Random(seed), damages: true), PassAsync(serverEnd, clientEnd, new Random(seed + 1), damages: false));
        }

        public Socket Client { get; }

        public Socket Server { get; }

        /// <summary>Which of the next bytes from the client to the server is damaged; to be set before they are sent.</summary>
        public int DamageAt
        {
            set => Volatile.Write(ref _damageAt, value);
        }

        public static async Task<Wire> CreateAsync(Random random)
        {
            var (client, clientEnd) = await PairAsync();
            var (serverEnd, server) = await PairAsync();
            return new Wire(client, clientEnd, serverEnd, server, random.Next());
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var socket in _sockets)
            {
                socket.Dispose();
            }

            await _passing.WaitAsync(s_patience);
        }

        private static async Task<(Socket Near, Socket Far)> PairAsync()
        {
            using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            listener.Listen();
            var near = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await near.ConnectAsync(listener.LocalEndPoint!);
            var far = await listener.AcceptAsync();
            far.NoDelay = true;
            return (near, far);
        }

        private async Task PassAsync(Socket from, Socket to, Random random, bool damages)
        {
            var space = new byte[40_000];
            try
            {
                while (true)
                {
                    var count = await from.ReceiveAsync(space.AsMemory(0, random.Next(3) == 0 ? random.Next(1, 30) : space.Length));
                    if (count == 0)
                    {
                        to.Shutdown(SocketShutdown.Send);
                        return;
                    }

                    if (damages && Volatile.Read(ref _damageAt) is >= 0 and var at)
                    {
                        if (at < count)
                        {
                            space[at] ^= (byte)(1 << random.Next(8));
                        }

                        Volatile.Write(ref _damageAt, at < count ? -1 : at - count);
                    }

                    await to.SendAsync(space.AsMemory(0, count));
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // One of the ends is gone: the other is told.
                from.Dispose();
                to.Dispose();
            }
        }
    }
}
