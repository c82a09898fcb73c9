namespace Ambient.Hbone.Relaying;

/// <summary>How a relay ended.</summary>
public enum RelayEnd
{
    /// <summary>Both directions reached their end; ordinary resets count as such.</summary>
    Complete,

    /// <summary>The client went away while there was still something to deliver to it.</summary>
    ClientDisconnected,

    /// <summary>The server went away while there was still something to deliver to it.</summary>
    ServerDisconnected,

    /// <summary>The client's side failed otherwise.</summary>
    ClientFailed,

    /// <summary>The server's side failed otherwise.</summary>
    ServerFailed,

    /// <summary>The abort token was cancelled.</summary>
    Aborted,
}
