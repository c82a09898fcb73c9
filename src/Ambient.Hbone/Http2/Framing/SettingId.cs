namespace Ambient.Hbone.Http2.Framing;

/// <summary>Identifiers in SETTINGS (RFC 9113 section 6.5.2). Unknown ones are ignored.</summary>
internal enum SettingId : ushort
{
    HeaderTableSize = 0x1,
    EnablePush = 0x2,
    MaxConcurrentStreams = 0x3,
    InitialWindowSize = 0x4,
    MaxFrameSize = 0x5,
    MaxHeaderListSize = 0x6,

    /// <summary>RFC 8441 section 3.</summary>
    EnableConnectProtocol = 0x8,
}
