using System.Net;
using System.Net.Sockets;
using Ambient.Hbone.Admission;
using Ambient.Hbone.Http2;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Hbone.Tests.Messages;
using Ambient.Http;
using Ambient.Identity;
using Ambient.Testing.Certificates;

namespace Ambient.Hbone.Tests;

/// <summary>Settings that cannot work are refused where they are handed in, all at once.</summary>
public sealed class OptionsTests
{
    [Fact]
    public void Defaults_AreValid()
    {
        new HboneClientOptions().Validate();
        new HboneServerOptions().Validate();
        new ConnectionLimits().Validate();
        new Http2ConnectionOptions().Validate();
        new MessageServerOptions().Validate();
        new MessageClientOptions().Validate();
    }

    [Fact]
    public void MessageServer_EveryFaultIsNamedAtOnce()
    {
        var options = new MessageServerOptions
        {
            MaxHeadSize = 1_023,
            MaxFields = 0,
            HeadTimeout = TimeSpan.Zero,
            IdleTimeout = TimeSpan.FromDays(2),
            ExchangeIdleTimeout = Timeout.InfiniteTimeSpan,
            MaxConcurrentStreams = 10_001,
            StreamWindowSize = 65_534,
            ConnectionWindowSize = 0,
        };

        var fault = Assert.Throws<ArgumentException>(() => new MessageServer(new MessageKit.DelegateHandler(static _ => ValueTask.CompletedTask), options, TimeProvider.System));

        foreach (var property in typeof(MessageServerOptions).GetProperties().Where(property => property.Name != nameof(MessageServerOptions.AcceptHttp10)))
        {
            Assert.Contains(property.Name, fault.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(HttpProtocolVersion.Http11)]
    [InlineData(HttpProtocolVersion.Http2)]
    public async Task MessageClient_EveryFaultIsNamedAtOnce(HttpProtocolVersion version)
    {
        var options = new MessageClientOptions
        {
            MaxHeadSize = 1_048_577,
            MaxFields = -1,
            MaxInterimHeads = 0,
            StreamWindowSize = 65_534,
            ConnectionWindowSize = 0,
            PingInterval = TimeSpan.FromMilliseconds(999),
            PingTimeout = TimeSpan.FromDays(2),
        };
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(listener.LocalEndpoint);
        await using var channel = MessageChannel.Over(socket, HboneIo.Default);

        var fault = Assert.Throws<ArgumentException>(() => MessageClient.Open(channel, version, options, TimeProvider.System));

        foreach (var property in typeof(MessageClientOptions).GetProperties().Where(property => property.Name != nameof(MessageClientOptions.ShortestPing)))
        {
            Assert.Contains(property.Name, fault.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Client_EveryFaultIsNamedAtOnce()
    {
        var options = new HboneClientOptions
        {
            StreamWindowSize = 0,
            ConnectionWindowSize = 65_534,
            MaxFrameSize = 16_383,
            MaxHeaderListSize = -1,
            MaxStreamsPerConnection = 0,
            UnusedReleaseTimeout = TimeSpan.FromTicks(-1),
            ConnectTimeout = TimeSpan.Zero,
            HandshakeTimeout = Timeout.InfiniteTimeSpan,
            MaxHandshakeSize = 1,
            MaxPeerCertificates = 33,
            PingInterval = TimeSpan.Zero,
            PingTimeout = TimeSpan.MaxValue,
            Connector = null!,
        };

        var fault = Assert.Throws<ArgumentException>(() => new HboneClient(options, new HbonePair.Svids(new TestAuthority())));

        string[] free = [nameof(HboneClientOptions.Revocation), nameof(HboneClientOptions.Io), nameof(HboneClientOptions.StaysOnThread)];
        foreach (var property in typeof(HboneClientOptions).GetProperties().Where(property => !free.Contains(property.Name)))
        {
            Assert.Contains(property.Name, fault.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Server_EveryFaultIsNamedAtOnce()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        var options = new HboneServerOptions
        {
            StreamWindowSize = 65_534,
            ConnectionWindowSize = -5,
            MaxFrameSize = 16_777_216,
            MaxHeaderListSize = 1_048_577,
            MaxConcurrentStreams = 0,
            HandshakeTimeout = TimeSpan.FromDays(1),
            MaxHandshakeSize = 102_401,
            MaxPeerCertificates = -1,
            PingInterval = TimeSpan.FromMilliseconds(1),
            PingTimeout = TimeSpan.FromDays(2),
        };

        var fault = Assert.Throws<ArgumentException>(() => new HboneListener(
            socket, options, new HbonePair.Svids(new TestAuthority()), (_, _) => new ValueTask<SpiffeId?>((SpiffeId?)null), Echo.HandleAsync));

        string[] free = [nameof(HboneServerOptions.Revocation), nameof(HboneServerOptions.Budget), nameof(HboneServerOptions.HandshakeFailed), nameof(HboneServerOptions.Io), nameof(HboneServerOptions.AcceptedPeers)];
        foreach (var property in typeof(HboneServerOptions).GetProperties().Where(property => !free.Contains(property.Name)))
        {
            Assert.Contains(property.Name, fault.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Connection_EveryFaultIsNamedAtOnce()
    {
        var options = new Http2ConnectionOptions
        {
            Io = null!,
            StreamWindowSize = 0,
            ConnectionWindowSize = 65_534,
            MaxFrameSize = 16_383,
            MaxHeaderListSize = 0,
            MaxConcurrentStreams = 100_001,
            PingInterval = TimeSpan.Zero,
            PingTimeout = Timeout.InfiniteTimeSpan,
            DrainPingTimeout = TimeSpan.FromDays(2),
            AbuseLimits = new Http2AbuseLimits
            {
                Window = TimeSpan.Zero, ResetsBeforeAnswer = -1, Resets = -1, StreamErrors = -1, ContinuationsPerBlock = -1, Settings = -1, Pings = -1, EmptyFrames = -1,
                TinyData = 16_385, Splinters = -1, LateFrames = -1, InterimResponses = -1, WindowUpdates = -1, BytesPerWindowUpdate = 0, TinyWindowUpdate = -1,
                TinyWindowUpdates = -1, TinyWindowUpdatesPerData = -1, IgnoredFrames = -1, QueuedControlFrames = 0, QueuedControlBytes = 0,
            },
        };
        await using var transport = new StreamTransport(Stream.Null);

        var fault = Assert.Throws<ArgumentException>(() => new Http2Connection(transport, options, null, TimeProvider.System));
        var none = Assert.Throws<ArgumentException>(() => new Http2Connection(transport, options with { AbuseLimits = null! }, null, TimeProvider.System));

        string[] free = [nameof(Http2ConnectionOptions.Buffers), nameof(Http2ConnectionOptions.AbuseLimits), nameof(Http2ConnectionOptions.ExtendedConnect), nameof(Http2ConnectionOptions.WatchesHeads), "EqualityContract", nameof(Http2AbuseLimits.Default)];
        foreach (var property in typeof(Http2ConnectionOptions).GetProperties().Concat(typeof(Http2AbuseLimits).GetProperties()).Where(property => !free.Contains(property.Name)))
        {
            Assert.Matches($@"\b{property.Name}\b", fault.Message);
        }

        Assert.Contains("AbuseLimits is null", none.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Limits_EveryFaultIsNamedAtOnce()
    {
        var limits = new ConnectionLimits
        {
            MaxConnections = 0, MaxConnectionsPerAddress = -1, MaxConnectionsPerIdentity = 0, MaxHandshakes = 0, MaxHandshakesPerAddress = 100_001, MaxBufferedBytesPerIdentity = 1,
        };

        var fault = Assert.Throws<ArgumentException>(() => new ConnectionBudget(limits));

        foreach (var property in typeof(ConnectionLimits).GetProperties().Where(property => property.Name != "EqualityContract"))
        {
            Assert.Contains(property.Name, fault.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Lease_OfABudgetThatIsFullInAll_ComesBackWithTheOther()
    {
        var budget = new ConnectionBudget(new ConnectionLimits { MaxConnections = 2 });
        var first = budget.TryOpen(IPAddress.Parse("10.0.0.1"));
        Assert.NotNull(budget.TryOpen(IPAddress.Parse("10.0.0.2")));
        Assert.Null(budget.TryOpen(IPAddress.Parse("10.0.0.3")));

        first!.Dispose();
        first.Dispose();

        Assert.NotNull(budget.TryOpen(IPAddress.Parse("10.0.0.3")));
        Assert.Null(budget.TryOpen(IPAddress.Parse("10.0.0.1")));
    }
}
