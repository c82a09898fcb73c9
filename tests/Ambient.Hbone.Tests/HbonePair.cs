using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Ambient.Certificates;
using Ambient.Hbone.Connect;
using Ambient.Hbone.Tls;
using Ambient.Identity;
using Ambient.Testing.Certificates;

namespace Ambient.Hbone.Tests;

/// <summary>A client and a listener over loopback with real TLS; every server behaviour is a handler.</summary>
internal sealed class HbonePair : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly CancellationTokenSource _stop = new();

    /// <param name="client">Who does the client's TLS; the process's own when null.</param>
    /// <param name="server">The server's; the same as the client's when null.</param>
    public HbonePair(TlsEngine? client = null, TlsEngine? server = null)
    {
        ClientOptions.Tls = client ?? TlsEngine.Default;
        ServerOptions.Tls = server ?? ClientOptions.Tls;
    }

    private Task _running = Task.CompletedTask;

    public TestAuthority Authority { get; } = new();

    public SpiffeId ClientId { get; init; } = SpiffeId.ForServiceAccount("cluster.local", "default", "sleep");

    public SpiffeId ServerId { get; } = SpiffeId.ForServiceAccount("cluster.local", "default", "server");

    public HboneServerOptions ServerOptions { get; } = new();

    public HboneClientOptions ClientOptions { get; } = new();

    public ISvidSource? ServerSvids { get; set; }

    public ISvidSource? ClientSvids { get; set; }

    public TimeProvider Time { get; set; } = TimeProvider.System;

    public List<HboneHandshakeFailure> Failures { get; } = [];

    public TaskCompletionSource<HboneHandshakeFailure> FirstFailure { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public HboneListener Listener { get; private set; } = null!;

    public HboneClient Client { get; private set; } = null!;

    public IPEndPoint EndPoint { get; private set; } = null!;

    public HbonePair Start(HboneConnectHandler handler)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen(512);
        EndPoint = (IPEndPoint)socket.LocalEndPoint!;
        ServerOptions.HandshakeFailed += failure =>
        {
            lock (Failures)
            {
                Failures.Add(failure);
            }

            FirstFailure.TrySetResult(failure);
        };
        Listener = new HboneListener(
            socket, ServerOptions, ServerSvids ?? new Svids(Authority), (_, _) => new ValueTask<SpiffeId?>(ServerId), handler, Time);
        Client = new HboneClient(ClientOptions, ClientSvids ?? new Svids(Authority), Time);
        _running = Listener.RunAsync(_stop.Token);
        return this;
    }

    public HboneConnectRequest Request(string authority = "10.0.0.1:80", IPAddress? source = null) => new()
    {
        NextHop = EndPoint,
        Authority = authority,
        Source = ClientId,
        AcceptedIdentities = ImmutableArray.Create(ServerId),
        SourceAddress = source,
    };

    public async Task<HboneTunnel> ConnectAsync(HboneConnectRequest? request = null) =>
        await Client.ConnectAsync(request ?? Request()).AsTask().WaitAsync(Patience);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Client.DisposeAsync();
        await Listener.DisposeAsync();
        await _running.WaitAsync(Patience);
        _stop.Dispose();
    }

    /// <summary>Issues on demand, once an identity.</summary>
    public sealed class Svids(TestAuthority authority, Func<SpiffeId, X509Svid>? issue = null) : ISvidSource
    {
        private readonly Dictionary<SpiffeId, X509Svid> _issued = [];

        public ValueTask<X509Svid> GetSvidAsync(SpiffeId id, CancellationToken cancellationToken = default)
        {
            lock (_issued)
            {
                if (!_issued.TryGetValue(id, out var svid))
                {
                    _issued.Add(id, svid = issue is null ? authority.Issue(id) : issue(id));
                }

                return new ValueTask<X509Svid>(svid);
            }
        }
    }
}
