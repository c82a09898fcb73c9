using System.Buffers.Binary;
using Ambient.Hbone.Http2.Framing;

namespace Ambient.Testing.Http2;

/// <summary>A frame as <see cref="RudePeer"/> received it.</summary>
internal sealed record ReceivedFrame(FrameHeader Header, byte[] Payload)
{
    public FrameType Type => Header.Type;

    public int StreamId => Header.StreamId;

    public bool EndStream => Header.HasFlag(FrameFlags.EndStream);

    /// <summary>Code of an RST_STREAM or GOAWAY.</summary>
    public Http2ErrorCode Code => (Http2ErrorCode)BinaryPrimitives.ReadUInt32BigEndian(Payload.AsSpan(Type == FrameType.GoAway ? 4 : 0));

    /// <summary>Last stream of a GOAWAY.</summary>
    public int LastStreamId => BinaryPrimitives.ReadInt32BigEndian(Payload);

    /// <summary>Debug data of a GOAWAY.</summary>
    public string Debug => FramePayload.GoAwayDebug(Payload);

    /// <summary>Increment of a WINDOW_UPDATE.</summary>
    public int Increment => BinaryPrimitives.ReadInt32BigEndian(Payload);

    /// <summary>Entries of a SETTINGS frame, by identifier.</summary>
    public Dictionary<int, uint> Settings
    {
        get
        {
            var settings = new Dictionary<int, uint>();
            for (var i = 0; i < Payload.Length; i += 6)
            {
                settings[BinaryPrimitives.ReadUInt16BigEndian(Payload.AsSpan(i))] = BinaryPrimitives.ReadUInt32BigEndian(Payload.AsSpan(i + 2));
            }

            return settings;
        }
    }

    public override string ToString() => Type is FrameType.GoAway ? $"{Header}: {Code}, {Debug}" : Type is FrameType.RstStream ? $"{Header}: {Code}" : Header.ToString();
}
