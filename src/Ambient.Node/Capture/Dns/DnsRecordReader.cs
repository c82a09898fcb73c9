using System.Buffers.Binary;

namespace Ambient.Node.Capture.Dns;

/// <summary>A record of a message: where its data is, and what comes before that.</summary>
internal readonly record struct DnsRecordHead(ushort Type, ushort Class, uint TimeToLive, Range Data);

/// <summary>Walks through the records of a message (RFC 1035, 4.1.3). Owners are skipped: a pointer is never followed.</summary>
internal static class DnsRecordReader
{
    /// <summary>Goes past a record.</summary>
    public static bool TryRead(ReadOnlySpan<byte> message, ref int at, out DnsRecordHead record)
    {
        record = default;
        if (!TrySkipName(message, ref at) || at + 10 > message.Length)
        {
            return false;
        }

        var data = at + 10;
        var end = data + BinaryPrimitives.ReadUInt16BigEndian(message[(at + 8)..]);
        if (end > message.Length)
        {
            return false;
        }

        record = new DnsRecordHead(
            BinaryPrimitives.ReadUInt16BigEndian(message[at..]),
            BinaryPrimitives.ReadUInt16BigEndian(message[(at + 2)..]),
            BinaryPrimitives.ReadUInt32BigEndian(message[(at + 4)..]),
            data..end);
        at = end;
        return true;
    }

    /// <summary>Goes past a name: labels, or a pointer, which ends it.</summary>
    public static bool TrySkipName(ReadOnlySpan<byte> message, ref int at)
    {
        while (at < message.Length)
        {
            var length = message[at++];
            if (length == 0)
            {
                return true;
            }

            if (length >= 0xc0)
            {
                at++;
                return at <= message.Length;
            }

            at += length;
        }

        return false;
    }
}
