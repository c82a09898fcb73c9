using Ambient.Hbone.Connect;
using Ambient.Hbone.Http2;

namespace Ambient.Hbone.Pooling;

/// <summary>A connection of the client, and who is at its other end.</summary>
internal sealed class ClientConnection(Http2Connection http2, PeerInfo peer) : IPooledConnection
{
    public Http2Connection Http2 { get; } = http2;

    public PeerInfo Peer { get; } = peer;

    public bool CanOpen => Http2.CanOpen;

    public int StreamLimit => Http2.StreamLimit;

    public void ShutDown() => Http2.ShutDown();

    public void Tick() => Http2.Tick();
}
