using System.Net;
using Ambient.Hbone.Http2;
using Ambient.Hbone.Http2.Headers;
using Ambient.Identity;

namespace Ambient.Hbone.Connect;

/// <summary>A CONNECT that a server received.</summary>
internal sealed class ReceivedConnect : HboneConnect
{
    private readonly Http2Stream _stream;
    private readonly PeerInfo _peer;
    private int _answered;

    public ReceivedConnect(Http2Stream stream, PeerInfo peer, in ConnectRequestHeaders headers)
    {
        _stream = stream;
        _peer = peer;
        Authority = headers.Authority;
        Baggage = headers.Baggage;
        Forwarded = headers.Forwarded;
        TraceParent = headers.TraceParent;
        ForwardedNetwork = headers.ForwardedNetwork;
    }

    /// <summary>The tunnel, once the CONNECT was accepted.</summary>
    public StreamTunnel? Tunnel { get; private set; }

    public override string Authority { get; }

    public override string? Baggage { get; }

    public override string? Forwarded { get; }

    public override string? TraceParent { get; }

    public override string? ForwardedNetwork { get; }

    public override SpiffeId PeerIdentity => _peer.Identity;

    public override IPEndPoint RemoteEndPoint => _peer.RemoteEndPoint;

    public override IPEndPoint LocalEndPoint => _peer.LocalEndPoint;

    public override CancellationToken Aborted => _stream.Closed;

    public override HboneTunnel Accept(string? baggage = null)
    {
        if (Interlocked.Exchange(ref _answered, 1) != 0)
        {
            throw new InvalidOperationException("the CONNECT has been answered already");
        }

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
