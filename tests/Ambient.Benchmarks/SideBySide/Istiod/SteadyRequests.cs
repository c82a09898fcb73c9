using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Ambient.Certificates;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Identity;

namespace Ambient.Benchmarks.SideBySide.Istiod;

/// <summary>
/// Requests to a waypoint at an even rate, over tunnels that stay open, and the endpoints that answer them: a child process in the client's namespace. Told
/// what to do on its standard input, it answers each line with one. Times are those of the system's monotonic clock, in microseconds.
/// <c>ready</c>: waits for the first answer, and says when it came; then the requests begin. <c>take</c>: of the requests since the line before, how many there were,
/// the median, the 99th percentile and the worst. <c>reach P</c>: asks without a pause until the endpoint at port P answers, and says when its first request had come to it.
/// </summary>
#pragma warning disable CA1001 // It lives as long as its process.
internal sealed class SteadyRequests
{
    internal const string Verb = "steady-requests";

    private const int Workers = 4;
    private const int HbonePort = 15008;
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);
    private static readonly byte[] s_request = Encoding.ASCII.GetBytes($"GET / HTTP/1.1\r\nhost: {LargeConfiguration.AllowedHost}\r\n\r\n");
    private static readonly SpiffeId s_client = SpiffeId.ForServiceAccount("cluster.local", "bench", "client");
    private static readonly SpiffeId s_waypoint = SpiffeId.ForServiceAccount("cluster.local", "app", "waypoint");

    private readonly Lock _lock = new();
    private readonly HboneClient _client;
    private readonly HboneConnectRequest _connect;
    private List<long> _taken = [];
    private string? _fault;

    private SteadyRequests(X509Svid svid, string waypoint)
    {
        _client = new HboneClient(new HboneClientOptions(), new OneSvid(svid));
        _connect = new HboneConnectRequest
        {
            NextHop = new IPEndPoint(IPAddress.Parse(waypoint), HbonePort),
            Authority = LargeConfiguration.FirstService,
            Source = s_client,
            AcceptedIdentities = [s_waypoint],
        };
    }

    /// <summary>The child process.</summary>
    /// <param name="folder">Folder of the authority.</param>
    /// <param name="waypoint">Address of the waypoint.</param>
    /// <param name="own">Address of the endpoints.</param>
    /// <param name="ports">Their ports.</param>
    internal static async Task<int> RunAsync(string folder, string waypoint, string own, params int[] ports)
    {
        using var authority = await EmbeddedAuthority.OpenAsync(new EmbeddedAuthorityOptions { Folder = folder });
        var requests = new SteadyRequests(await authority.IssueAsync(s_client), waypoint);
        foreach (var port in ports)
        {
            new Thread(() => Serve(new IPEndPoint(IPAddress.Parse(own), port))) { IsBackground = true }.Start();
        }

        Console.WriteLine(HeldChild.Holding);
        while (await Console.In.ReadLineAsync() is { } line)
        {
            var words = line.Split(' ');
            Console.WriteLine(words[0] switch
            {
                "ready" => await requests.ReadyAsync(),
                "take" => requests.Take(),
                _ => await requests.ReachAsync(words[1]),
            });
        }

        return 0;
    }

    private async Task<string> ReadyAsync()
    {
        for (var waited = Stopwatch.StartNew(); waited.Elapsed < s_patience;)
        {
            try
            {
                await using var conversation = await Conversation.OpenAsync(_client, _connect);
                _ = await conversation.AskAsync();
                var ready = Text(Now());
                _fault = null;
                for (var worker = 0; worker < Workers; worker++)
                {
                    _ = AskEvenlyAsync(s_pause / Workers * worker);
                }

                return ready;
            }
            catch (Exception e) when (e is HboneException or IOException)
            {
                // It does not listen yet, or does not know the service.
                _fault = e.Message;
                await Task.Delay(2);
            }
        }

        return $"no answer: {_fault}";
    }

    private string Take()
    {
        List<long> taken;
        lock (_lock)
        {
            (taken, _taken) = (_taken, []);
        }

        if (_fault is { } fault)
        {
            return $"requests failed: {fault}";
        }

        taken.Sort();
        return taken.Count == 0 ? "0 0 0 0" : $"{taken.Count} {Text(taken[taken.Count / 2])} {Text(taken[(taken.Count - 1) * 99 / 100])} {Text(taken[^1])}";
    }

    private async Task<string> ReachAsync(string port)
    {
        await using var conversation = await Conversation.OpenAsync(_client, _connect);
        for (var waited = Stopwatch.StartNew(); waited.Elapsed < s_patience;)
        {
            if ((await conversation.AskAsync()).Split(' ') is [var from, var came] && from == port)
            {
                return came;
            }
        }

        return "it is not reached";
    }

    private async Task AskEvenlyAsync(TimeSpan delay)
    {
        try
        {
            await Task.Delay(delay);
            await using var conversation = await Conversation.OpenAsync(_client, _connect);
            using var timer = new PeriodicTimer(s_pause);
            while (await timer.WaitForNextTickAsync())
            {
                var begun = Now();
                _ = await conversation.AskAsync();
                var micros = Now() - begun;
                lock (_lock)
                {
                    _taken.Add(micros);
                }
            }
        }
        catch (Exception e) when (e is HboneException or IOException)
        {
            _fault = e.Message;
        }
    }

    /// <summary>An endpoint: says which port it is at, and when the request came.</summary>
    private static void Serve(IPEndPoint address)
    {
        using var listener = new TcpListener(address);
        listener.Start();
        while (true)
        {
            var socket = listener.AcceptSocket();
            socket.NoDelay = true;
            new Thread(() => Answer(socket, address.Port)) { IsBackground = true }.Start();
        }
    }

    private static void Answer(Socket socket, int port)
    {
        using (socket)
        {
            try
            {
                var buffer = new byte[16384];
                for (var held = 0; socket.Receive(buffer, held, buffer.Length - held, SocketFlags.None) is > 0 and var read;)
                {
                    held += read;

                    // One request at a time on a connection, and none with a body.
                    if (buffer.AsSpan(0, held).EndsWith("\r\n\r\n"u8))
                    {
                        var body = $"{Text(port)} {Text(Now())}";
                        socket.Send(Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\ncontent-length: {Text(body.Length)}\r\n\r\n{body}"));
                        held = 0;
                    }
                }
            }
            catch (SocketException)
            {
                // The waypoint has gone.
            }
        }
    }

    private static long Now() => Stopwatch.GetTimestamp() / (Stopwatch.Frequency / 1_000_000);

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

    /// <summary>Requests one after the other in a tunnel.</summary>
    private sealed class Conversation(HboneTunnel tunnel, Stream stream) : IAsyncDisposable
    {
        private readonly byte[] _buffer = new byte[16384];

        internal static async Task<Conversation> OpenAsync(HboneClient client, HboneConnectRequest connect)
        {
            var tunnel = await client.ConnectAsync(connect);
            return new Conversation(tunnel, tunnel.AsStream());
        }

        /// <summary>The body of the answer.</summary>
        internal async Task<string> AskAsync()
        {
            await stream.WriteAsync(s_request);
            await stream.FlushAsync();
            for (var held = 0; ;)
            {
                var read = await stream.ReadAsync(_buffer.AsMemory(held));
                held += read > 0 ? read : throw new IOException("the tunnel ended");
                if (Body(held) is { } body)
                {
                    return body;
                }
            }
        }

        public async ValueTask DisposeAsync()
        {
            await stream.DisposeAsync();
            await tunnel.DisposeAsync();
        }

        private string? Body(int held)
        {
            var text = Encoding.ASCII.GetString(_buffer, 0, held);
            var end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
            if (end < 0)
            {
                return null;
            }

            if (!text.StartsWith("HTTP/1.1 200", StringComparison.Ordinal))
            {
                throw new IOException($"answered with {text[..text.IndexOf('\r', StringComparison.Ordinal)]}");
            }

            const string Length = "content-length: ";
            var at = text.IndexOf(Length, StringComparison.OrdinalIgnoreCase) + Length.Length;
            var length = int.Parse(text.AsSpan(at, text.IndexOf('\r', at) - at), CultureInfo.InvariantCulture);
            return held >= end + 4 + length ? text.Substring(end + 4, length) : null;
        }
    }

    private sealed class OneSvid(X509Svid svid) : ISvidSource
    {
        public ValueTask<X509Svid> GetSvidAsync(SpiffeId id, CancellationToken cancellationToken = default) => ValueTask.FromResult(svid);
    }
}
