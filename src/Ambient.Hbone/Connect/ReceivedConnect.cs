using System.Net;
using Ambient.Hbone.Http2;
using Ambient.Hbone.Http2.Headers;
using Ambient.Identity;

namespace Ambient.Hbone.Connect;

/// <summary>A CONNECT that a server received.</summary>
#pragma warning disable CA1001 // The source has no timer and no link, so there is nothing to dispose of.
internal sealed class ReceivedConnect : HboneConnect, IHttp2StreamOwner
#pragma warning restore CA1001
{
    private readonly Http2Stream _stream;
    private readonly PeerInfo _peer;
    private CancellationTokenSource? _aborted;
    private int _answered;

    public ReceivedConnect(Http2Stream stream, PeerInfo peer, in ConnectRequestHeaders headers)
    {
        _stream = stream;
        stream.Owner = this;
        _peer = peer;
        Authority = headers.Authority;
        Baggage = headers.Baggage;
        Forwarded = headers.Forwarded;
        TraceParent = headers.TraceParent;
        ForwardedNetwork = headers.ForwardedNetwork;
        RequestSource = headers.RequestSource;
    }

    /// <summary>The tunnel, once the CONNECT was accepted.</summary>
    public StreamTunnel? Tunnel { get; private set; }

    public override string Authority { get; }

    public override string? Baggage { get; }

    public override string? Forwarded { get; }

    public override string? TraceParent { get; }

    public override string? ForwardedNetwork { get; }

    public override string? RequestSource { get; }

    public override SpiffeId PeerIdentity => _peer.Identity;

    public override IPEndPoint RemoteEndPoint => _peer.RemoteEndPoint;

    public override IPEndPoint LocalEndPoint => _peer.LocalEndPoint;

    public override CancellationToken Aborted
    {
        get
        {
            if (_stream.Fault is not null || Volatile.Read(ref _answered) != 0)
            {
                return new CancellationToken(_stream.Fault is not null);
            }

            var source = Volatile.Read(ref _aborted);
            if (source is null)
            {
                var made = new CancellationTokenSource();
                source = Interlocked.CompareExchange(ref _aborted, made, null) ?? made;
            }

            if (_stream.Fault is not null)
            {
                // It came in between, and may have found no source.
                _ = source.CancelAsync();
            }

            return source.Token;
        }
    }

    public override HboneTunnel Accept(string? baggage = null)
    {
        if (Interlocked.Exchange(ref _answered, 1) != 0)
        {
            throw new InvalidOperationException("the CONNECT has been answered already");
        }

        // From here on the tunnel says when it ends: thousands of idle ones need not keep this as well.
        Volatile.Write(ref _aborted, null);
        _stream.Connection.Respond(_stream, 200, baggage);
        return Tunnel = new StreamTunnel(_stream, _peer, Authority, Baggage);
    }

    public override void Reject(int statusCode)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(statusCode, 400);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(statusCode, 599);
        if (Interlocked.Exchange(ref _answered, 1) != 0)
        {
            throw new InvalidOperationException("the CONNECT has been answered already");
        }

        _stream.Connection.Respond(_stream, statusCode, null);
    }

    /// <summary>Callbacks are other people's code: not on the thread that moves bytes, and what they throw is not ours.</summary>
    void IHttp2StreamOwner.OnFault(StreamFault fault) => _ = Volatile.Read(ref _aborted)?.CancelAsync();

    /// <summary>The handler is done: whatever it left open ends.</summary>
    public void Finish(bool failed)
    {
        if (Interlocked.Exchange(ref _answered, 1) == 0)
        {
            _stream.Connection.Respond(_stream, failed ? 500 : 503, null);
        }
        else if (failed)
        {
            Tunnel?.Abort();
        }
        else
        {
            Tunnel?.Release();
        }
    }
}
