using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Ambient.Node.Capture.Dns;

/// <summary>What a DNS message is about (RFC 1035, 4.1).</summary>
internal enum DnsCode
{
    /// <summary>No error.</summary>
    NoError = 0,

    /// <summary>The query cannot be read.</summary>
    FormatError = 1,

    /// <summary>It cannot be answered now.</summary>
    ServerFailure = 2,

    /// <summary>Its kind is not served.</summary>
    NotImplemented = 4,
}

/// <summary>A query, as far as it matters here. The rest of it is passed on as bytes.</summary>
internal readonly struct DnsQuery
{
    private const int HeaderSize = 12;
    private const int MostNameBytes = 255;
    private const int TypeOpt = 41;
    private const ushort Internet = 1;

    private DnsQuery(ushort id, bool isResponse, int opcode, bool recursion)
    {
        Id = id;
        IsResponse = isResponse;
        Opcode = opcode;
        Recursion = recursion;
        Name = "";
    }

    /// <summary>Chosen by who asks.</summary>
    public ushort Id { get; }

    /// <summary>Whether it is no query at all.</summary>
    public bool IsResponse { get; }

    /// <summary>Kind of query: 0 is the ordinary one.</summary>
    public int Opcode { get; }

    /// <summary>Whether recursion is desired.</summary>
    public bool Recursion { get; }

    /// <summary>The name in lower case, without the last dot; null when it is not text.</summary>
    public string? Name { get; private init; }

    /// <summary>Type that is asked for.</summary>
    public ushort Type { get; private init; }

    /// <summary>Where the question ends.</summary>
    public int QuestionEnd { get; private init; }

    /// <summary>Whether EDNS (RFC 6891) was used.</summary>
    public bool Edns { get; private init; }

    /// <summary>Most bytes that the client takes by UDP.</summary>
    public int Payload { get; private init; }

    /// <summary>EDNS flags and version, echoed.</summary>
    public uint EdnsFlags { get; private init; }

    /// <summary>The family of an address type; null for other types and classes.</summary>
    public AddressFamily? Family { get; private init; }

    /// <summary>Reads a query. False: not even an answer can be addressed.</summary>
    public static bool TryRead(ReadOnlySpan<byte> message, out DnsQuery query, out DnsCode code)
    {
        query = default;
        code = DnsCode.FormatError;
        if (message.Length < HeaderSize)
        {
            return false;
        }

        var flags = BinaryPrimitives.ReadUInt16BigEndian(message[2..]);
        query = new DnsQuery(BinaryPrimitives.ReadUInt16BigEndian(message), (flags & 0x8000) != 0, (flags >> 11) & 0xf, (flags & 0x0100) != 0);
        if (query.IsResponse)
        {
            return true;
        }

        if (query.Opcode != 0)
        {
            code = DnsCode.NotImplemented;
            return true;
        }

        var questions = BinaryPrimitives.ReadUInt16BigEndian(message[4..]);
        var at = HeaderSize;
        if (questions != 1 || !TryReadName(message, ref at, out var name) || at + 4 > message.Length)
        {
            return true;
        }

        var type = BinaryPrimitives.ReadUInt16BigEndian(message[at..]);
        var isInternet = BinaryPrimitives.ReadUInt16BigEndian(message[(at + 2)..]) == Internet;
        at += 4;
        var end = at;
        var records = BinaryPrimitives.ReadUInt16BigEndian(message[6..]) + BinaryPrimitives.ReadUInt16BigEndian(message[8..]) + BinaryPrimitives.ReadUInt16BigEndian(message[10..]);
        var (edns, payload, ednsFlags) = (false, 512, 0u);
        for (var i = 0; i < records; i++)
        {
            if (!TryReadRecord(message, ref at, out var recordType, out var recordClass, out var ttl))
            {
                return true;
            }

            if (recordType == TypeOpt)
            {
                (edns, payload, ednsFlags) = (true, Math.Max(512, (int)recordClass), ttl);
            }
        }

        query = query with
        {
            Name = name,
            Type = type,
            QuestionEnd = end,
            Edns = edns,
            Payload = payload,
            EdnsFlags = ednsFlags & 0x00ff8000,
            Family = !isInternet ? null : type switch { 1 => AddressFamily.InterNetwork, 28 => AddressFamily.InterNetworkV6, _ => null },
        };
        code = DnsCode.NoError;
        return true;
    }

    /// <summary>A name without pointers: nothing stands before it that it could point to. Null where a label is no plain text.</summary>
    private static bool TryReadName(ReadOnlySpan<byte> message, ref int at, out string? name)
    {
        var text = new StringBuilder(64);
        var plain = true;
        name = null;
        for (var start = at; ;)
        {
            if (at >= message.Length || at - start > MostNameBytes)
            {
                return false;
            }

            var length = message[at++];
            if (length == 0)
            {
                name = plain ? text.ToString() : null;
                return true;
            }

            if (length > 63 || at + length > message.Length)
            {
                return false;
            }

            if (text.Length > 0)
            {
                text.Append('.');
            }

            foreach (var b in message.Slice(at, length))
            {
                plain &= b is > (byte)' ' and <= (byte)'~' and not (byte)'.' and not (byte)'\\';
                text.Append((char)(b is >= (byte)'A' and <= (byte)'Z' ? b | 0x20 : b));
            }

            at += length;
        }
    }

    private static bool TryReadRecord(ReadOnlySpan<byte> message, ref int at, out ushort type, out ushort @class, out uint ttl)
    {
        (type, @class, ttl) = (0, 0, 0);

        // The owner: labels, or a pointer, which ends it.
        while (true)
        {
            if (at >= message.Length)
            {
                return false;
            }

            var length = message[at++];
            if (length == 0)
            {
                break;
            }

            if (length >= 0xc0)
            {
                at++;
                break;
            }

            at += length;
        }

        if (at + 10 > message.Length)
        {
            return false;
        }

        type = BinaryPrimitives.ReadUInt16BigEndian(message[at..]);
        @class = BinaryPrimitives.ReadUInt16BigEndian(message[(at + 2)..]);
        ttl = BinaryPrimitives.ReadUInt32BigEndian(message[(at + 4)..]);
        at += 10 + BinaryPrimitives.ReadUInt16BigEndian(message[(at + 8)..]);
        return at <= message.Length;
    }
}

/// <summary>Writes answers.</summary>
internal static class DnsAnswer
{
    private const uint TimeToLive = 30;
    private const int OptSize = 11;
    private const ushort Truncated = 0x0200;

    /// <summary>An answer without records, to a query of which perhaps only the number could be read.</summary>
    public static byte[] Failure(ReadOnlySpan<byte> message, in DnsQuery query, DnsCode code)
    {
        var question = query.QuestionEnd > 0;
        var answer = new byte[question ? query.QuestionEnd : 12];
        message[..answer.Length].CopyTo(answer);
        Header(answer, query, code, authoritative: false, question);
        return answer;
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
        var buffer = new byte[Math.Min(limit, 65535)];
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
            BinaryPrimitives.WriteUInt16BigEndian(buffer.AsSpan(2), (ushort)(BinaryPrimitives.ReadUInt16BigEndian(buffer.AsSpan(2)) | Truncated));
        }

        BinaryPrimitives.WriteUInt16BigEndian(buffer.AsSpan(6), (ushort)count);
        if (query.Edns && at + OptSize <= buffer.Length)
        {
            var opt = buffer.AsSpan(at, OptSize);
            opt.Clear();
            BinaryPrimitives.WriteUInt16BigEndian(opt[1..], 41);
            BinaryPrimitives.WriteUInt16BigEndian(opt[3..], (ushort)query.Payload);
            BinaryPrimitives.WriteUInt32BigEndian(opt[5..], query.EdnsFlags);
            BinaryPrimitives.WriteUInt16BigEndian(buffer.AsSpan(10), 1);
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
