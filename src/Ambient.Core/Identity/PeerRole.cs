namespace Ambient.Identity;

/// <summary>The part that a peer plays in a TLS handshake.</summary>
public enum PeerRole
{
    /// <summary>The peer connected to us: its certificate must allow client authentication.</summary>
    Client,

    /// <summary>We connected to the peer: its certificate must allow server authentication.</summary>
    Server,
}
