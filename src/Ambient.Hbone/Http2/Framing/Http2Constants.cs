namespace Ambient.Hbone.Http2.Framing;

/// <summary>Numbers that RFC 9113 fixes.</summary>
internal static class Http2Constants
{
    /// <summary>Window of a connection, and of a stream before SETTINGS say otherwise (section 6.9.2).</summary>
    public const int DefaultWindowSize = 65535;

    /// <summary>Largest window (section 6.9.1).</summary>
    public const int MaxWindowSize = int.MaxValue;

    /// <summary>Smallest and initial SETTINGS_MAX_FRAME_SIZE.</summary>
    public const int MinMaxFrameSize = 16384;

    /// <summary>Largest SETTINGS_MAX_FRAME_SIZE.</summary>
    public const int MaxMaxFrameSize = 16777215;

    /// <summary>Initial SETTINGS_HEADER_TABLE_SIZE.</summary>
    public const int DefaultHeaderTableSize = 4096;

    /// <summary>What a header adds to its name and value in table and list sizes (RFC 7541 section 4.1).</summary>
    public const int HeaderOverhead = 32;

    /// <summary>What a client sends first (section 3.4).</summary>
    public static ReadOnlySpan<byte> ClientPreface => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8;
}
