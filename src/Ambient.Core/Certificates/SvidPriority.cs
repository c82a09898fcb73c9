namespace Ambient.Certificates;

/// <summary>How urgently an SVID is wanted; smaller is sooner.</summary>
internal enum SvidPriority
{
    /// <summary>A handshake waits.</summary>
    RealTime,

    /// <summary>A workload appeared and will need one.</summary>
    Warmup,

    /// <summary>A renewal, or another try after a failure.</summary>
    Background,
}
