namespace Ambient.Hbone.Http2.Framing;

/// <summary>Ways to overload a peer with frames that are each legal. Every one has a limit in <see cref="Http2AbuseLimits"/>.</summary>
internal enum Http2Abuse
{
    /// <summary>Streams opened and reset before they are answered (CVE-2023-44487).</summary>
    RapidReset,

    /// <summary>RST_STREAM in masses, whatever for.</summary>
    ResetFlood,

    /// <summary>Streams that the peer provokes us into resetting (CVE-2025-8671).</summary>
    StreamErrorFlood,

    /// <summary>A header block in too many CONTINUATIONs (CVE-2024-27316 and its kin).</summary>
    ContinuationFlood,

    /// <summary>A header block of too many bytes.</summary>
    HeaderBlockTooLarge,

    /// <summary>SETTINGS in masses, or with masses of entries (CVE-2019-9515).</summary>
    SettingsFlood,

    /// <summary>PING in masses (CVE-2019-9512).</summary>
    PingFlood,

    /// <summary>DATA or HEADERS frames without content (CVE-2019-9518).</summary>
    EmptyFrameFlood,

    /// <summary>WINDOW_UPDATEs of a few bytes, far more than we sent DATA.</summary>
    WindowUpdateFlood,

    /// <summary>WINDOW_UPDATEs of any size, far more than the DATA that we sent can account for.</summary>
    NeedlessWindowUpdates,

    /// <summary>DATA in splinters: frames of a few bytes that could have been one.</summary>
    SplinterFlood,

    /// <summary>Frames in masses for streams that are over.</summary>
    LateFrameFlood,

    /// <summary>Interim (1xx) responses in masses.</summary>
    InterimResponseFlood,

    /// <summary>PRIORITY and unknown frames in masses (CVE-2019-9513).</summary>
    IgnoredFrameFlood,

    /// <summary>Provoked answers pile up because the peer does not read them (CVE-2019-9517).</summary>
    ControlQueueFull,
}
