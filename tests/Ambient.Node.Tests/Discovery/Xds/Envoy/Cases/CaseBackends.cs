using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Ambient.Certificates;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Relaying;
using Ambient.Hbone.Sockets;
using Ambient.Http;
using Ambient.Identity;
using Ambient.Node.Protos.ExternalAuth;
using Ambient.Testing.Certificates;
using Google.Protobuf;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy.Cases;

/// <summary>
/// Everything that endpoints of recorded meshes listen on, kept from case to case: on port 15008 what a ztunnel's inbound side does, and on every other one a
/// server that takes HTTP of both versions, gRPC, TLS, the PROXY protocol, or any bytes, whichever comes, and notes what it saw.
/// </summary>
#pragma warning disable CA1001 // DisposeAsync, of IAsyncLifetime, does it.
public sealed class CaseBackends : IAsyncLifetime, IMessageHandler
{
    /// <summary>Field that names the try that a request belongs to. External authorizers are told of it as well.</summary>
    internal const string AskedBy = "x-ext-asked";

    /// <summary>Field that says what an external authorizer answers.</summary>
    internal const string Verdict = "x-ext-verdict";

    private const int Tunnels = 15008;

    private readonly ConcurrentDictionary<IPEndPoint, Socket> _listeners = new();
    private readonly ConcurrentDictionary<IPAddress, HboneListener> _tunnels = new();
    private readonly ConcurrentDictionary<IPAddress, SpiffeId> _identities = new();
    private readonly ConcurrentDictionary<IPEndPoint, string> _relayed = new();
    private readonly MessageServer _server;

    public CaseBackends()
    {
        Authority = new TestAuthority();
        Svids = new SvidCache(Authority);
        _server = new MessageServer(this, new MessageServerOptions(), TimeProvider.System);
    }

    /// <summary>The mesh's own authority.</summary>
    internal TestAuthority Authority { get; }

    internal SvidCache Svids { get; }

    /// <summary>What reached endpoints, in order.</summary>
    internal ConcurrentQueue<CaseSeen> Seen { get; } = new();

    public Task InitializeAsync() => Task.CompletedTask;

    /// <summary>Runs an endpoint on an address; a tunnel to it is answered by this identity.</summary>
    internal void Start(IPAddress address, SpiffeId identity, IEnumerable<int> ports)
    {
        _identities[address] = identity;
        if (!_tunnels.ContainsKey(address))
        {
            var listener = new HboneListener(
                Listen(new IPEndPoint(address, Tunnels)), new HboneServerOptions(), Svids, (_, _) => new ValueTask<SpiffeId?>(_identities[address]), DeliverAsync);
            _tunnels[address] = listener;
            _ = listener.RunAsync();
        }

        foreach (var port in ports)
        {
            var end = new IPEndPoint(address, port);
            if (!_listeners.ContainsKey(end))
            {
                var socket = Listen(end);
                _listeners[end] = socket;
                _ = AcceptAsync(socket, end);
            }
        }
    }

    public async Task DisposeAsync()
    {
        foreach (var socket in _listeners.Values)
        {
            socket.Dispose();
        }

        foreach (var listener in _tunnels.Values)
        {
            await listener.DisposeAsync();
        }

        await _server.DisposeAsync();
        await Svids.DisposeAsync();
    }

    /// <inheritdoc/>
    public async ValueTask HandleAsync(ServerExchange exchange)
    {
        var origin = (CaseOrigin)exchange.ConnectionState!;
        var request = exchange.Request;
        using var body = new MemoryStream();
        while (request.HasBody && await exchange.ReadAsync() is { IsEmpty: false } piece)
        {
            body.Write(piece.Span);
        }

        var fields = new List<(string Name, string Value)> { ("host", request.Authority) };
        for (var i = 0; i < request.Fields.Count; i++)
        {
            fields.Add((request.Fields[i].NameText.ToLowerInvariant(), request.Fields[i].ValueText));
        }

        var check = request.Target == "/envoy.service.auth.v3.Authorization/Check" ? CheckRequest.Parser.ParseFrom(body.ToArray().AsSpan(5)) : null;
        if (check is not null)
        {
            // What is asked of whom is in the message.
            fields.AddRange(check.Attributes.Request.Http?.Headers.Select(header => (header.Key, header.Value)) ?? []);
        }

        // The time in a check takes a byte more or less.
        Seen.Enqueue(new CaseSeen(origin, request.Version, request.Method, request.Target, [.. fields], check is null ? body.Length : 0));
        if (check is not null)
        {
            await AnswerCheckAsync(exchange, Value(fields, Verdict) ?? (check.Attributes.Source?.Principal.EndsWith("/denied", StringComparison.Ordinal) == true ? "deny" : "allow"));
        }
        else if (request.Fields.Get("content-type")?.StartsWith("application/grpc", StringComparison.Ordinal) == true)
        {
            await AnswerCallAsync(exchange, fields);
        }
        else
        {
            await AnswerAsync(exchange, fields);
        }
    }

    /// <inheritdoc/>
    public void OnRefused(in MessageRefusal refusal)
    {
        // The client is told, and compares.
    }

    /// <inheritdoc/>
    public void OnFailed(ServerExchange exchange, Exception failure)
    {
        // A proxy that gave up.
    }

    private static string? Value(List<(string Name, string Value)> fields, string name) =>
        fields.Where(field => field.Name == name).Select(field => field.Value).FirstOrDefault();

    /// <summary>How many tries of the same question were seen so far, this one among them.</summary>
    private int TriesOf(List<(string Name, string Value)> fields) =>
        Value(fields, AskedBy) is { } asked ? Seen.Count(seen => seen.AskedBy == asked) : 1;

    /// <summary>A plain answer: slow, or a failure at first, where the query asks for it. Paths below <c>/check</c> are an authorizer's.</summary>
    private async ValueTask AnswerAsync(ServerExchange exchange, List<(string Name, string Value)> fields)
    {
        var target = exchange.Request.Target;
        var (status, text) = (200, "hello");
        var response = exchange.Response;
        if (target.StartsWith("/check", StringComparison.Ordinal))
        {
            status = Value(fields, Verdict) == "deny" ? 403 : 200;
            text = status == 200 ? "" : "not you";
            foreach (var (name, value) in new[] { ("x-user", "u"), ("x-meta-a", "m"), ("x-other", "o"), ("x-ok", "ok"), ("set-cookie", "c=d"), ("x-secret", "s") })
            {
                response.Fields.Add(name, value);
            }
        }
        else
        {
            response.Fields.Add("x-echo", "1");
            foreach (var answer in Value(fields, "x-answer")?.Split(';') ?? [])
            {
                response.Fields.Add(answer[..answer.IndexOf('=')], answer[(answer.IndexOf('=') + 1)..]);
            }
        }

        if (Number(target, "delay") is { } delay && (Number(target, "slow") is not { } slow || TriesOf(fields) <= slow))
        {
            await Task.Delay(TimeSpan.FromSeconds(delay));
        }

        if (Number(target, "fail") is { } failures && TriesOf(fields) <= failures)
        {
            status = (int)Number(target, "code")!.Value;
        }

        response.Status = status;
        (response.HasBody, response.ContentLength) = (exchange.Request.Method != "HEAD", text.Length);
        await exchange.SendHeadAsync(response, end: !response.HasBody);
        if (response.HasBody)
        {
            await exchange.WriteAsync(System.Text.Encoding.ASCII.GetBytes(text));
            await exchange.EndAsync();
        }
    }

    private static double? Number(string target, string name)
    {
        var at = target.IndexOf(name + "=", StringComparison.Ordinal);
        return at < 0 ? null : double.Parse(target[(at + name.Length + 1)..].Split('&')[0], CultureInfo.InvariantCulture);
    }

    /// <summary>An empty message, or the status that the call asks for in its first tries (<c>x-fail: tries,status</c>).</summary>
    private async ValueTask AnswerCallAsync(ServerExchange exchange, List<(string Name, string Value)> fields)
    {
        var failing = Value(fields, "x-fail")?.Split(',');
        var status = failing is not null && TriesOf(fields) <= int.Parse(failing[0], CultureInfo.InvariantCulture) ? failing[1] : "0";
        await AnswerMessageAsync(exchange, [], status);
    }

    /// <summary>As an authorizer over gRPC.</summary>
    private static ValueTask AnswerCheckAsync(ServerExchange exchange, string verdict)
    {
        var answer = verdict switch
        {
            "deny" => new CheckResponse { Status = new Status { Code = 7 }, DeniedResponse = new DeniedResponse { Status = new Protos.ExternalAuth.HttpStatus { Code = 451 }, Body = "not you" } },
            "broken" => null,
            _ => new CheckResponse { Status = new Status(), OkResponse = new OkResponse { Headers = { new HeaderValueOption { Header = new HeaderValue { Key = "x-user", Value = "u" } } } } },
        };
        return AnswerMessageAsync(exchange, answer?.ToByteArray() ?? [], answer is null ? "13" : "0");
    }

    private static async ValueTask AnswerMessageAsync(ServerExchange exchange, byte[] message, string status)
    {
        exchange.Response.Status = 200;
        exchange.Response.HasBody = true;
        exchange.Response.Fields.Add("content-type", "application/grpc");
        exchange.Response.Fields.Add("x-echo", "1");
        await exchange.SendHeadAsync(exchange.Response, end: false);
        if (status == "0")
        {
            var framed = new byte[5 + message.Length];
            BinaryPrimitives.WriteInt32BigEndian(framed.AsSpan(1), message.Length);
            message.CopyTo(framed, 5);
            await exchange.WriteAsync(framed);
        }

        var trailers = new HttpFields();
        trailers.Add("grpc-status", status);
        await exchange.EndAsync(trailers);
    }

    private static Socket Listen(IPEndPoint end)
    {
        var socket = new Socket(end.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(end);
            socket.Listen();
            return socket;
        }
        catch (SocketException e)
        {
            socket.Dispose();
            Skip.If(e.SocketErrorCode == SocketError.AccessDenied, $"port {end.Port} is for root alone");
            throw;
        }
    }

    private async ValueTask DeliverAsync(HboneConnect connect, CancellationToken cancellationToken)
    {
        // Its address is noted before the endpoint can see it.
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _relayed[(IPEndPoint)socket.LocalEndPoint!] = $"tunnel of {connect.PeerIdentity.Path}";
        await socket.ConnectAsync(IPEndPoint.Parse(connect.Authority), cancellationToken);
        await using var tunnel = connect.Accept();
        await Relay.RunAsync(tunnel, socket, new RelayCounters(), cancellationToken);
    }

    private async Task AcceptAsync(Socket listener, IPEndPoint end)
    {
        try
        {
            while (true)
            {
                var socket = await listener.AcceptAsync();
                _relayed.TryRemove((IPEndPoint)socket.RemoteEndPoint!, out var by);
                _ = CaseConnection.ServeAsync(socket, new CaseOrigin(end, by ?? ""), _server, Seen);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The end of the tests.
        }
    }
}

/// <summary>Which endpoint a connection reached, and how.</summary>
/// <param name="End">Address and port.</param>
/// <param name="By">Whose tunnel it came by; empty: by none.</param>
internal sealed record CaseOrigin(IPEndPoint End, string By)
{
    /// <summary>Server name of TLS; null: without.</summary>
    public string? ServerName { get; init; }

    /// <summary>Who the client of TLS showed to be.</summary>
    public string? Shown { get; init; }

    /// <summary>The header of the PROXY protocol that came first.</summary>
    public string? Proxy { get; init; }
}

/// <summary>A request, or the first bytes of a connection, as an endpoint saw it.</summary>
internal sealed record CaseSeen(CaseOrigin Origin, HttpProtocolVersion? Version, string Method, string Target, (string Name, string Value)[] Fields, long Length)
{
    /// <summary>The try that it belongs to; null: it does not say.</summary>
    public string? AskedBy => Fields.FirstOrDefault(static each => each.Name == CaseBackends.AskedBy).Value;
}
