using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Ambient.Certificates;
using Ambient.Hbone;
using Ambient.Hbone.Connect;
using Ambient.Identity;
using Ambient.Testing.Certificates;

namespace Ambient.EndToEnd.Tests.ForeignPeers;

/// <summary>Our listener on loopback, with a handler for its tunnels, and what it says of failed handshakes.</summary>
internal sealed class HboneHost : ISvidSource, IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly CancellationTokenSource _stop = new();
    private readonly Channel<HboneHandshakeFailure> _failures = Channel.CreateUnbounded<HboneHandshakeFailure>();
    private readonly Task _running;

    public HboneHost(HboneConnectHandler handler, HboneServerOptions? options = null)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen(128);
        EndPoint = (IPEndPoint)socket.LocalEndPoint!;
        options ??= new HboneServerOptions();
        options.HandshakeFailed = failure => _failures.Writer.TryWrite(failure);
        Listener = new HboneListener(socket, options, this, (_, _) => new ValueTask<SpiffeId?>(Id), handler);
        _running = Listener.RunAsync(_stop.Token);
    }

    public TestAuthority Authority { get; } = new();

    public SpiffeId Id { get; } = SpiffeId.ForServiceAccount("cluster.local", "default", "server");

    public SpiffeId ClientId { get; } = SpiffeId.ForServiceAccount("cluster.local", "default", "client");

    public IPEndPoint EndPoint { get; }

    public HboneListener Listener { get; }

    /// <summary>A client of ours that presents certificates of an authority.</summary>
    public static HboneClient Client(TestAuthority authority, HboneClientOptions? options = null) => new(options ?? new HboneClientOptions(), new Source(authority));

    public static HboneConnectRequest Request(int port, SpiffeId source, SpiffeId accepted, string authority) => new()
    {
        NextHop = new IPEndPoint(IPAddress.Loopback, port),
        Authority = authority,
        Source = source,
        AcceptedIdentities = ImmutableArray.Create(accepted),
        Baggage = "k8s.namespace.name=default",
        Forwarded = "for=\"10.0.0.9:1234\"",
        TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
    };

    /// <summary>The next handshake that failed.</summary>
    public async Task<HboneHandshakeFailure> FailureAsync() => await _failures.Reader.ReadAsync().AsTask().WaitAsync(Patience);

    public ValueTask<X509Svid> GetSvidAsync(SpiffeId id, CancellationToken cancellationToken = default) => new(Authority.Issue(id));

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Listener.DisposeAsync();
        await _running.WaitAsync(Patience);
        _stop.Dispose();
    }

    private sealed class Source(TestAuthority authority) : ISvidSource
    {
        public ValueTask<X509Svid> GetSvidAsync(SpiffeId id, CancellationToken cancellationToken = default) => new(authority.Issue(id));
    }
}
