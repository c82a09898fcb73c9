namespace Ambient.Node.Waypoint;

/// <summary>How a waypoint treats what comes through a tunnel.</summary>
internal enum PortKind
{
    /// <summary>HTTP: every request is looked at.</summary>
    Http,

    /// <summary>Opaque bytes: the connection as a whole is looked at.</summary>
    Opaque,

    /// <summary>Not declared: the first bytes decide.</summary>
    Unknown,
}
