namespace Ambient.Hbone.Http2;

/// <summary>Who ended a stream before its time.</summary>
internal enum StreamFaultOrigin
{
    /// <summary>We reset it.</summary>
    Local,

    /// <summary>The peer reset it.</summary>
    Peer,

    /// <summary>Its connection is gone.</summary>
    Connection,
}
