using System.Buffers.Binary;
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
            // EDNS is there once, or somebody wants two readers to understand two things (RFC 6891, 6.1.1).
            if (!DnsRecordReader.TryRead(message, ref at, out var record) || (edns && record.Type == TypeOpt))
            {
                return true;
            }

            if (record.Type == TypeOpt)
            {
                (edns, payload, ednsFlags) = (true, Math.Max(512, (int)record.Class), record.TimeToLive);
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
}
