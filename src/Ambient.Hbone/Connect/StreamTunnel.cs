using System.IO.Pipelines;
using System.Net;
using Ambient.Hbone.Http2;
using Ambient.Hbone.Http2.Framing;
using Ambient.Hbone.Sockets;
using Ambient.Identity;

namespace Ambient.Hbone.Connect;

/// <summary>A tunnel over one stream. Reader and writer exist only for those who ask: a relay uses the stream itself.</summary>
internal sealed class StreamTunnel : HboneTunnel
{
    private TunnelReader? _input;
    private TunnelWriter? _output;

    public StreamTunnel(Http2Stream stream, PeerInfo peer, string authority, string? baggage)
    {
        Stream = stream;
        Peer = peer;
        Authority = authority;
        PeerBaggage = baggage;
    }

    /// <summary>The stream, for the relay.</summary>
    public Http2Stream Stream { get; }

    public PeerInfo Peer { get; }

    public override string Authority { get; }

    public override string? PeerBaggage { get; }

    public override SpiffeId PeerIdentity => Peer.Identity;

    public override IPEndPoint RemoteEndPoint => Peer.RemoteEndPoint;

    public override IPEndPoint LocalEndPoint => Peer.LocalEndPoint;

    public override CancellationToken Closed => Stream.Closed;

    public override PipeReader Input
    {
        get
        {
            if (_input is null)
            {
                var input = new TunnelReader(Stream, inline: false);
                if (Interlocked.CompareExchange(ref _input, input, null) is null)
                {
                    Stream.Attach(input);
                }
            }

            return _input;
        }
    }

    public override PipeWriter Output
    {
        get
        {
            if (_output is null)
            {
                Interlocked.CompareExchange(ref _output, new TunnelWriter(Stream), null);
            }

            return _output;
        }
    }

    public override void Abort() => Stream.Reset(Http2ErrorCode.Cancel);

    public override void Break() => Stream.Reset(Http2ErrorCode.InternalError);

    public override Stream AsStream() => new TunnelStream(this);

    public override ValueTask DisposeAsync()
    {
        Release();
        return default;
    }

    /// <summary>
    /// Lets go of the stream: what was written and ended still leaves. A peer that has not ended its half is told by NO_ERROR that
    /// nobody listens any more: Istio's ztunnel reports every other code as an error (docs/protocol.md, "Ends and aborts").
    /// </summary>
    public void Release()
    {
        _input?.Complete();
        Stream.Release(Http2ErrorCode.NoError);
    }
}
