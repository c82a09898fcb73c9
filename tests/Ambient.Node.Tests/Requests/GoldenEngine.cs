using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Ambient.Certificates;
using Ambient.Hbone;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Http;
using Ambient.Identity;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Gateway;
using Ambient.Node.Requests;
using Ambient.Node.Requests.Forwarding;
using Ambient.Node.Requests.Serving;
using Ambient.Node.Requests.Tokens;
using Ambient.Node.Requests.Upstreams;
using Ambient.Node.Telemetry.Logging;
using Ambient.Node.Telemetry.Metrics;
using Ambient.Node.Waypoint;
using Ambient.Testing.Certificates;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ambient.Node.Tests.Requests;

/// <summary>
/// The pipelines of a waypoint and a gateway for a recorded mesh. The waypoint's is entered below TLS: a recording says which
/// identity came, also none, and a tunnel could not carry that.
/// </summary>
internal sealed class GoldenEngine : IGoldenSubject, IAsyncDisposable
{
    /// <summary>Address of the waypoint's own workload in every recorded mesh.</summary>
    public const string Address = "127.9.0.1";

    private const string RecordedGateway = "app/gw";

    private readonly ConcurrentDictionary<int, (SpiffeId? Identity, MeshService Service, int Port)> _arrivals = new();
    private readonly List<(MessageServer Server, Socket Listener)> _servers = [];
    private readonly Dictionary<(string Gateway, int Port), IPEndPoint> _gatewayPorts = [];
    private readonly SvidCache _svids = new(new TestAuthority());
    private readonly HboneClient _client;
    private readonly UpstreamPool _upstreams;
    private readonly RequestForwarder _forwarder;
    private readonly LogWriter _writer = new(Stream.Null);
    private readonly HostLoggerFactory _loggers;
    private readonly RequestLog _log;
    private readonly MeshStore _store;
    private readonly TokenVerifier _tokens;

    private GoldenEngine(MeshStore store)
    {
        _store = store;
        var self = LocalWorkload.ByPod(store, "app", "waypoint-0", TimeProvider.System);
        _client = new HboneClient(new HboneClientOptions(), _svids);
        _upstreams = new UpstreamPool(store, new UpstreamDialer(_client, SocketConnector.Default, self), new UpstreamOptions(), TimeProvider.System);
        _loggers = new HostLoggerFactory(_writer, LogFormat.Plain, LogFilter.Info, TimeProvider.System);
        _log = new RequestLog(_loggers, new RequestMetrics(new MetricRegistry(), "waypoint", "mutual_tls"), "");
        _forwarder = new RequestForwarder(_upstreams, _log, TimeProvider.System);

        // The recordings' tokens are good until 2100, or were until 2001.
        _tokens = new TokenVerifier(new KeyFetcher(null, TimeProvider.System), new TokenMetrics(new MetricRegistry()), NullLogger.Instance, TimeProvider.System);
    }

    public IPEndPoint Waypoint { get; private set; } = null!;

    /// <summary>Starts what serves the waypoint <c>app/waypoint</c>, and the gateways; without names the recorded one.</summary>
    public static GoldenEngine Start(MeshStore store, params string[] gateways)
    {
        var engine = new GoldenEngine(store);
        var self = LocalWorkload.ByPod(store, "app", "waypoint-0", TimeProvider.System);
        engine.Waypoint = engine.Serve(new Entrance(new WaypointEntrance(store, "app/waypoint", self), self, engine._arrivals));
        foreach (var gateway in gateways.DefaultIfEmpty(RecordedGateway).Select(store.Current.Requests.Gateways.GetValueOrDefault).OfType<Mesh.Gateway>())
        {
            var places = GatewayEntrance.PlacesOf(store, gateway.Key);
            foreach (var port in gateway.Listeners.Select(listener => listener.Port).Distinct())
            {
                engine._gatewayPorts[(gateway.Key, port)] = engine.Serve(new GatewayEntrance(places, self, gateway.Key, new IPEndPoint(IPAddress.Parse("127.9.1.2"), port)));
            }
        }

        return engine;
    }

    /// <summary>Sends a request as it is and reads the whole answer.</summary>
    public async Task<GoldenAnswer> AskAsync(
        string method, string path, string host, IReadOnlyDictionary<string, string> headers, IPAddress source, SpiffeId? identity, MeshService? service, int? gatewayPort, string gateway = RecordedGateway, int servicePort = 8080)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(source, 0));
        var port = ((IPEndPoint)socket.LocalEndPoint!).Port;
        if (gatewayPort is null)
        {
            _arrivals[port] = (identity, service!, servicePort);
        }

        await socket.ConnectAsync(gatewayPort is { } listener ? _gatewayPorts[(gateway, listener)] : Waypoint);
        using var stream = new NetworkStream(socket);
        var answer = await AskAsync(stream, new GoldenQuestion(method, path, host, headers, source, identity, service, gatewayPort, Grpc: false));
        _arrivals.TryRemove(port, out _);
        return answer;
    }

    /// <summary>Sends a request of HTTP/1.1 as it is, and reads until the connection ends.</summary>
    public static async Task<GoldenAnswer> AskAsync(Stream stream, GoldenQuestion question)
    {
        var text = new StringBuilder($"{question.Method} {question.Path} HTTP/1.1\r\nhost: {question.Host}\r\nconnection: close\r\n");
        foreach (var (name, value) in question.Headers)
        {
            text.Append(CultureInfo.InvariantCulture, $"{name}: {value}\r\n");
        }

        await stream.WriteAsync(Encoding.Latin1.GetBytes(text.Append("\r\n").ToString()));
        await stream.FlushAsync();
        using var received = new MemoryStream();
        await stream.CopyToAsync(received).WaitAsync(TimeSpan.FromSeconds(60));
        return GoldenAnswer.Parse(received.ToArray());
    }

    /// <inheritdoc/>
    public Task<GoldenAnswer> AskAsync(bool http2, GoldenQuestion question) => http2
        ? AskOverHttp2Async(question.Method, question.Path, question.Host, question.Headers, question.Source, question.Identity, question.Service, question.GatewayPort, question.Grpc)
        : AskAsync(question.Method, question.Path, question.Host, question.Headers, question.Source, question.Identity, question.Service, question.GatewayPort);

    /// <summary>Sends a request over HTTP/2 and reads the whole answer; with <paramref name="grpc"/> an empty message, to port 9000.</summary>
    public async Task<GoldenAnswer> AskOverHttp2Async(
        string method, string path, string host, IReadOnlyDictionary<string, string> headers, IPAddress source, SpiffeId? identity, MeshService? service, int? gatewayPort, bool grpc = false, string gateway = RecordedGateway, int servicePort = 8080)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(source, 0));
        var port = ((IPEndPoint)socket.LocalEndPoint!).Port;
        if (gatewayPort is null)
        {
            _arrivals[port] = (identity, service!, grpc ? 9000 : servicePort);
        }

        await socket.ConnectAsync(gatewayPort is { } listener ? _gatewayPorts[(gateway, listener)] : Waypoint);
        var answer = await AskOverHttp2Async(MessageChannel.Over(socket, HboneIo.Default), new GoldenQuestion(method, path, host, headers, source, identity, service, gatewayPort, grpc));
        _arrivals.TryRemove(port, out var _);
        return answer;
    }

    /// <summary>Sends a request over HTTP/2, on a connection of its own, and reads the whole answer.</summary>
    public static async Task<GoldenAnswer> AskOverHttp2Async(MessageChannel channel, GoldenQuestion question)
    {
        await using var connection = MessageClient.Open(channel, HttpProtocolVersion.Http2, new MessageClientOptions(), TimeProvider.System);
        ClientExchange? exchange;
        while (!connection.TryBegin(out exchange))
        {
            await Task.Delay(1);
        }

        await using var _ = exchange;
        var head = new RequestHead
        {
            Version = HttpProtocolVersion.Http2, Method = question.Method, Scheme = "http", Authority = question.Host, Target = question.Path, HasBody = question.Grpc, TakesTrailers = question.Grpc,
        };
        foreach (var (name, value) in question.Headers)
        {
            head.Fields.Add(name, value);
        }

        await exchange.SendHeadAsync(head, end: !question.Grpc);
        if (question.Grpc)
        {
            await exchange.WriteAsync(new byte[5]);
            await exchange.EndAsync();
        }

        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var answer = await exchange.ReceiveHeadAsync(patience.Token);
        var body = new StringBuilder();
        while (answer.HasBody && await exchange.ReadAsync(patience.Token) is { Length: > 0 } piece)
        {
            body.Append(Encoding.Latin1.GetString(piece.Span));
        }

        return new GoldenAnswer(answer.Status, [.. Fields(answer.Fields), .. Fields(exchange.Trailers)], body.ToString());
    }

    private static IEnumerable<(string Name, string Value)> Fields(HttpFields fields)
    {
        var all = new List<(string, string)>();
        for (var i = 0; i < fields.Count; i++)
        {
            all.Add((fields[i].NameText, fields[i].ValueText));
        }

        return all.OrderBy(field => field.Item1, StringComparer.Ordinal);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var (server, listener) in _servers)
        {
            listener.Dispose();
            await server.DisposeAsync();
        }

        _upstreams.Dispose();
        _tokens.Dispose();
        await _client.DisposeAsync();
        await _svids.DisposeAsync();
        _writer.Dispose();
    }

    private IPEndPoint Serve(IRequestEntrance entrance)
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var pipeline = new RequestPipeline(
            new RequestServices(_store, entrance, new ConnectionTable(new ConnectionLog(_loggers), null, null, TimeProvider.System), _log, TimeProvider.System) { Tokens = _tokens }, _forwarder);
        var server = new MessageServer(pipeline, new MessageServerOptions(), TimeProvider.System);
        _servers.Add((server, listener));
        _ = AcceptAsync(server, listener);
        return (IPEndPoint)listener.LocalEndPoint!;
    }

    private static async Task AcceptAsync(MessageServer server, Socket listener)
    {
        try
        {
            while (true)
            {
                var socket = await listener.AcceptAsync();
                var remote = (IPEndPoint)socket.RemoteEndPoint!;
                _ = server.ServeAsync(MessageChannel.Over(socket, HboneIo.Default), new GatewayConnection(remote), version: null, CancellationToken.None);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The engine is gone.
        }
    }

    private sealed class Entrance(
        WaypointEntrance waypoint, LocalWorkload self, ConcurrentDictionary<int, (SpiffeId? Identity, MeshService Service, int Port)> arrivals) : IRequestEntrance
    {
        public HeaderRules Headers => waypoint.Headers;

        public RequestArrival Arrive(object? connection)
        {
            var remote = ((GatewayConnection)connection!).RemoteEndPoint;
            var (identity, service, port) = arrivals[remote.Port];
            var address = new IPEndPoint(service.Vips[0].Address, port);
            return new RequestArrival
            {
                Place = waypoint.Find(WaypointDestination.For(service, address, PortKind.Http)),
                Identity = identity,
                Source = remote,
                Destination = address,
                Target = WaypointDestination.For(service, address, PortKind.Http),
                Self = self.Current,
            };
        }

        public RequestPlace? Find(in RequestArrival arrival) => waypoint.Find(arrival);
    }
}

/// <summary>An answer, read to the end of the connection.</summary>
internal sealed record GoldenAnswer(int Status, (string Name, string Value)[] Headers, string Body)
{
    public static GoldenAnswer Parse(byte[] bytes)
    {
        var end = bytes.AsSpan().IndexOf("\r\n\r\n"u8);
        var head = Encoding.Latin1.GetString(bytes, 0, end).Split("\r\n");
        var headers = head.Skip(1).Select(line => (line[..line.IndexOf(':')].ToLowerInvariant(), line[(line.IndexOf(':') + 1)..].Trim())).OrderBy(field => field.Item1, StringComparer.Ordinal).ToArray();
        var body = Encoding.Latin1.GetString(bytes, end + 4, bytes.Length - end - 4);
        if (headers.Contains(("transfer-encoding", "chunked")))
        {
            var plain = new StringBuilder();
            while (true)
            {
                var line = body.IndexOf("\r\n", StringComparison.Ordinal);
                var size = int.Parse(body[..line], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                if (size == 0)
                {
                    break;
                }

                plain.Append(body, line + 2, size);
                body = body[(line + 4 + size)..];
            }

            body = plain.ToString();
        }

        return new GoldenAnswer(int.Parse(head[0].Split(' ')[1], CultureInfo.InvariantCulture), headers, body);
    }
}
