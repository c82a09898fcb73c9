using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Ambient.Node.Capture.Dns;

/// <summary>Writes answers.</summary>
internal static class DnsAnswer
{
    private const uint TimeToLive = 30;
    private const int OptSize = 11;
    private const int TypeOpt = 41;
    private const int MostName = 255;
    private const int MostRecord = 2 + 10 + 16;
    private const ushort TruncatedFlag = 0x0200;

    /// <summary>An answer without records, to a query of which perhaps only the number could be read.</summary>
    public static byte[] Failure(ReadOnlySpan<byte> message, in DnsQuery query, DnsCode code)
    {
        var question = query.QuestionEnd > 0;
        var end = question ? query.QuestionEnd : 12;
        var answer = new byte[end + (query.Edns ? OptSize : 0)];
        message[..end].CopyTo(answer);
        Header(answer, query, code, authoritative: false, question);
        if (query.Edns)
        {
            Opt(answer, end, query);
        }

        return answer;
    }

    /// <summary>An answer that says only that it did not fit: who asked comes again by TCP.</summary>
    public static byte[] Truncated(ReadOnlySpan<byte> message, in DnsQuery query)
    {
        var answer = Failure(message, query, DnsCode.NoError);
        answer[2] |= TruncatedFlag >> 8;
        return answer;
    }

    /// <summary>Whether an answer says that it did not fit.</summary>
    public static bool IsTruncated(ReadOnlySpan<byte> answer) => (answer[2] & (TruncatedFlag >> 8)) != 0;

    /// <summary>The first address of a family in an answer, at the end of whatever aliases; null: there is none.</summary>
    public static IPAddress? FirstAddress(ReadOnlySpan<byte> answer, AddressFamily family)
    {
        var at = 12;
        if (answer.Length < at)
        {
            return null;
        }

        for (var i = BinaryPrimitives.ReadUInt16BigEndian(answer[4..]); i > 0; i--)
        {
            if (!DnsRecordReader.TrySkipName(answer, ref at))
            {
                return null;
            }

            at += 4;
        }

        for (var i = BinaryPrimitives.ReadUInt16BigEndian(answer[6..]); i > 0 && DnsRecordReader.TryRead(answer, ref at, out var record); i--)
        {
            var data = answer[record.Data];
            if ((family, record.Type, data.Length) is (AddressFamily.InterNetwork, 1, 4) or (AddressFamily.InterNetworkV6, 28, 16))
            {
                return new IPAddress(data);
            }
        }

        return null;
    }

    /// <summary>
    /// The mesh's answer: addresses under the name that was asked for, or under the alias that it turned out to stand for. What does not
    /// fit is left out, and said to be.
    /// </summary>
    /// <param name="message">The query.</param>
    /// <param name="query">The query, read.</param>
    /// <param name="alias">The name that the addresses are of; null: the one asked for.</param>
    /// <param name="addresses">Addresses.</param>
    /// <param name="limit">Most bytes.</param>
    public static byte[] Addresses(ReadOnlySpan<byte> message, in DnsQuery query, string? alias, ImmutableArray<IPAddress> addresses, int limit)
    {
        var buffer = new byte[Math.Min(limit, query.QuestionEnd + OptSize + (2 * (MostName + 10)) + (MostRecord * addresses.Length))];
        message[..query.QuestionEnd].CopyTo(buffer);
        Header(buffer, query, DnsCode.NoError, authoritative: true, question: true);
        var at = query.QuestionEnd;
        var room = buffer.Length - (query.Edns ? OptSize : 0);
        var count = 0;
        var owner = at;
        var owned = Name(query.Name!);
        var complete = true;
        if (alias is not null)
        {
            var target = Name(alias);
            owner = at + owned.Length + 10;
            complete = TryRecord(buffer, room, ref at, owned, 5, target);
            count += complete ? 1 : 0;
        }

        foreach (var address in addresses)
        {
            if (!complete)
            {
                break;
            }

            // The first is written out, the others point to it.
            byte[] pointer = [(byte)(0xc0 | (owner >> 8)), (byte)owner];
            var name = alias is null && count == 0 ? owned : pointer;
            complete = TryRecord(buffer, room, ref at, name, (ushort)(address.AddressFamily == AddressFamily.InterNetwork ? 1 : 28), address.GetAddressBytes());
            count += complete ? 1 : 0;
        }

        if (!complete)
        {
            BinaryPrimitives.WriteUInt16BigEndian(buffer.AsSpan(2), (ushort)(BinaryPrimitives.ReadUInt16BigEndian(buffer.AsSpan(2)) | TruncatedFlag));
        }

        BinaryPrimitives.WriteUInt16BigEndian(buffer.AsSpan(6), (ushort)count);
        if (query.Edns && at + OptSize <= buffer.Length)
        {
            Opt(buffer, at, query);
            at += OptSize;
        }

        return buffer[..at];
    }

    /// <summary>Makes an answer from elsewhere ours: the client's number, not authoritative, recursion available.</summary>
    public static void Relay(Span<byte> answer, ushort id)
    {
        BinaryPrimitives.WriteUInt16BigEndian(answer, id);
        var flags = BinaryPrimitives.ReadUInt16BigEndian(answer[2..]);
        BinaryPrimitives.WriteUInt16BigEndian(answer[2..], (ushort)((flags & ~0x0400) | 0x0080));
    }

    private static void Opt(byte[] buffer, int at, in DnsQuery query)
    {
        var opt = buffer.AsSpan(at, OptSize);
        opt.Clear();
        BinaryPrimitives.WriteUInt16BigEndian(opt[1..], TypeOpt);
        BinaryPrimitives.WriteUInt16BigEndian(opt[3..], (ushort)query.Payload);
        BinaryPrimitives.WriteUInt32BigEndian(opt[5..], query.EdnsFlags);
        BinaryPrimitives.WriteUInt16BigEndian(buffer.AsSpan(10), 1);
    }

    private static void Header(Span<byte> answer, in DnsQuery query, DnsCode code, bool authoritative, bool question)
    {
        var flags = 0x8080 | (query.Opcode << 11) | (query.Recursion ? 0x0100 : 0) | (authoritative ? 0x0400 : 0) | (int)code;
        BinaryPrimitives.WriteUInt16BigEndian(answer, query.Id);
        BinaryPrimitives.WriteUInt16BigEndian(answer[2..], (ushort)flags);
        answer[4..12].Clear();
        answer[5] = (byte)(question ? 1 : 0);
    }

    private static bool TryRecord(byte[] buffer, int room, ref int at, byte[] name, ushort type, byte[] data)
    {
        if (at + name.Length + 10 + data.Length > room)
        {
            return false;
        }

        name.CopyTo(buffer.AsSpan(at));
        at += name.Length;
        BinaryPrimitives.WriteUInt16BigEndian(buffer.AsSpan(at), type);
        BinaryPrimitives.WriteUInt16BigEndian(buffer.AsSpan(at + 2), 1);
        BinaryPrimitives.WriteUInt32BigEndian(buffer.AsSpan(at + 4), TimeToLive);
        BinaryPrimitives.WriteUInt16BigEndian(buffer.AsSpan(at + 8), (ushort)data.Length);
        data.CopyTo(buffer.AsSpan(at + 10));
        at += 10 + data.Length;
        return true;
    }

    private static byte[] Name(string name)
    {
        var bytes = new byte[name.Length + 2];
        var at = 0;
        foreach (var label in name.Split('.'))
        {
            bytes[at++] = (byte)label.Length;
            at += Encoding.ASCII.GetBytes(label, bytes.AsSpan(at));
        }

        return bytes;
    }
}
