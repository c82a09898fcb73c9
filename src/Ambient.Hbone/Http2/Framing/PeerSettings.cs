using System.Buffers.Binary;

namespace Ambient.Hbone.Http2.Framing;

/// <summary>What the peer's SETTINGS say, beginning with the defaults of RFC 9113 section 6.5.2. Not thread-safe.</summary>
internal sealed class PeerSettings
{
    // A frame of ours needs at most six entries; there is no honest use for many.
    private const int MaxEntries = 64;

    /// <summary>Bytes of the largest SETTINGS that is taken.</summary>
    public const int MaxPayload = MaxEntries * Setting.Size;

    /// <summary>Bytes of dynamic table that the peer's decoder grants our encoder.</summary>
    public uint HeaderTableSize { get; private set; } = Http2Constants.DefaultHeaderTableSize;

    /// <summary>Streams that we may have open toward the peer.</summary>
    public uint MaxConcurrentStreams { get; private set; } = uint.MaxValue;

    /// <summary>Window of our sending side of each stream.</summary>
    public int InitialWindowSize { get; private set; } = Http2Constants.DefaultWindowSize;

    /// <summary>Largest payload that we may send.</summary>
    public int MaxFrameSize { get; private set; } = Http2Constants.MinMaxFrameSize;

    /// <summary>Largest header list that the peer takes, in bytes as RFC 9113 section 6.5.2 counts.</summary>
    public uint MaxHeaderListSize { get; private set; } = uint.MaxValue;

    /// <summary>Whether the peer takes extended CONNECTs (RFC 8441 section 3).</summary>
    public bool ExtendedConnect { get; private set; }

    /// <summary>Takes over the entries of a SETTINGS frame, in order.</summary>
    /// <param name="payload">Payload, a multiple of six bytes.</param>
    /// <param name="fromServer">Whether the peer is the server, which may not grant push.</param>
    /// <exception cref="Http2ConnectionException">A value is not allowed.</exception>
    public void Apply(ReadOnlySpan<byte> payload, bool fromServer)
    {
        if (payload.Length > MaxPayload)
        {
            throw TooMany(payload.Length);
        }

        for (; payload.Length >= Setting.Size; payload = payload[Setting.Size..])
        {
            Apply((SettingId)BinaryPrimitives.ReadUInt16BigEndian(payload), BinaryPrimitives.ReadUInt32BigEndian(payload[2..]), fromServer);
        }
    }

    /// <summary>A SETTINGS frame is larger than <see cref="MaxPayload"/>.</summary>
    public static Http2ConnectionException TooMany(int length) => new(
        Http2ErrorCode.EnhanceYourCalm,
        $"{Http2Abuse.SettingsFlood}: SETTINGS with {length / Setting.Size} entries, {MaxEntries} are allowed",
        Http2Abuse.SettingsFlood);

    private void Apply(SettingId id, uint value, bool fromServer)
    {
        switch (id)
        {
            case SettingId.HeaderTableSize:
                HeaderTableSize = value;
                break;
            case SettingId.EnablePush when value > 1 || (fromServer && value == 1):
                throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, $"SETTINGS_ENABLE_PUSH of {value}");
            case SettingId.MaxConcurrentStreams:
                MaxConcurrentStreams = value;
                break;
            case SettingId.InitialWindowSize when value > Http2Constants.MaxWindowSize:
                throw new Http2ConnectionException(Http2ErrorCode.FlowControlError, $"SETTINGS_INITIAL_WINDOW_SIZE of {value}");
            case SettingId.InitialWindowSize:
                InitialWindowSize = (int)value;
                break;
            case SettingId.MaxFrameSize when value is < Http2Constants.MinMaxFrameSize or > Http2Constants.MaxMaxFrameSize:
                throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, $"SETTINGS_MAX_FRAME_SIZE of {value}");
            case SettingId.MaxFrameSize:
                MaxFrameSize = (int)value;
                break;
            case SettingId.MaxHeaderListSize:
                MaxHeaderListSize = value;
                break;
            case SettingId.EnableConnectProtocol when value > 1 || (ExtendedConnect && value == 0):
                throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, $"SETTINGS_ENABLE_CONNECT_PROTOCOL of {value}");
            case SettingId.EnableConnectProtocol:
                ExtendedConnect = value == 1;
                break;
            default:
                break;
        }
    }
}
