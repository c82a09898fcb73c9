using System.Buffers.Binary;
using System.Buffers.Text;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Ambient.Http;
using Ambient.Mesh;

namespace Ambient.Node.Requests;

/// <summary>
/// Which headers a proxy takes out of a request and adds to it, on the way to the endpoint
/// (https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers).
/// </summary>
internal abstract class HeaderRules
{
    /// <summary>What <c>server</c> says in every answer, so that dashboards and tests find it.</summary>
    public const string Server = ProxyHeaders.DefaultServer;

    /// <summary>Counts the tries of a request.</summary>
    public static ReadOnlySpan<byte> AttemptCount => "x-envoy-attempt-count"u8;

    /// <summary>Milliseconds that the endpoint took to answer.</summary>
    public static ReadOnlySpan<byte> UpstreamServiceTime => "x-envoy-upstream-service-time"u8;

    /// <summary>Ties the hops of one request together.</summary>
    public const string RequestId = "x-request-id";

    /// <summary>Scheme that the first client used.</summary>
    protected const string ForwardedProto = "x-forwarded-proto";

    /// <summary>Clients and proxies that a request has passed.</summary>
    public const string ForwardedFor = "x-forwarded-for";

    /// <summary>Identity that a proxy vouches for: never believed from a client.</summary>
    protected const string ForwardedClientCert = "x-forwarded-client-cert";

    private static readonly byte[] s_server = Encoding.ASCII.GetBytes(Server);

    /// <summary>Takes out of a request what nobody may believe of its client, before policies and authorizers look at it.</summary>
    public static void Sanitize(RequestHead head) => head.Fields.Remove(ForwardedClientCert);

    /// <summary>Sets a field to a number that is not negative.</summary>
    public static void Set(HttpFields fields, ReadOnlySpan<byte> name, long number)
    {
        Span<byte> text = stackalloc byte[20];
        Utf8Formatter.TryFormat(number, text, out var written);
        fields.Set(name, text[..written]);
    }

    /// <summary>Says who answers, where the proxy does.</summary>
    public static void SetServer(HttpFields fields, ProxyHeaders headers)
    {
        if (headers.Server == false)
        {
            return;
        }

        if (headers.ServerName is { } name)
        {
            fields.Set("server", name);
        }
        else
        {
            fields.Set("server"u8, s_server);
        }
    }

    /// <summary>The scheme that the client used, as bytes.</summary>
    protected static ReadOnlySpan<byte> SchemeOf(in RequestArrival arrival) => arrival.Scheme == "https" ? "https"u8 : "http"u8;

    /// <summary>Tells the endpoint which port the client asked for, where that is wanted.</summary>
    protected static void SetForwardedPort(RequestHead head, in RequestArrival arrival)
    {
        if (arrival.Place?.Headers.ForwardedPort == true)
        {
            head.Fields.Set("x-forwarded-port", arrival.Destination.Port.ToString(CultureInfo.InvariantCulture));
        }
    }

    /// <summary>Keeps the client's request id; where it sent none, one is made and sent, unless that is not wanted.</summary>
    protected static void KeepRequestId(RequestHead head, in RequestArrival arrival)
    {
        if ((!head.Fields.TryGet(RequestId, out var known) || known.IsEmpty) && arrival.Place?.Headers.RequestId != false)
        {
            SetRequestId(head);
        }
    }

    /// <summary>
    /// Makes a request id, and puts it in place of the client's: a random UUID (RFC 9562 section 5.4). It identifies and protects nothing, so it does not
    /// ask the system for randomness each time.
    /// </summary>
    protected static void SetRequestId(RequestHead head)
    {
        Span<byte> text = stackalloc byte[36];
        WriteRandomId(text);
        head.Fields.Set("x-request-id"u8, text);
    }

    /// <summary>Writes a random UUID, its 36 characters: 122 bits are chance, and 6 say that.</summary>
    internal static void WriteRandomId(Span<byte> text)
    {
        Span<ulong> random = stackalloc ulong[2];
        Random.Shared.NextBytes(MemoryMarshal.AsBytes(random));
        var (high, low) = ((random[0] & 0xFFFF_FFFF_FFFF_0FFF) | 0x4000, (random[1] & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000);
        var (second, third) = (HexOf((uint)high), HexOf((uint)(low >> 32)));
        text[8] = text[13] = text[18] = text[23] = (byte)'-';
        BinaryPrimitives.WriteUInt64BigEndian(text, HexOf((uint)(high >> 32)));
        BinaryPrimitives.WriteUInt32BigEndian(text[9..], (uint)(second >> 32));
        BinaryPrimitives.WriteUInt32BigEndian(text[14..], (uint)second);
        BinaryPrimitives.WriteUInt32BigEndian(text[19..], (uint)(third >> 32));
        BinaryPrimitives.WriteUInt32BigEndian(text[24..], (uint)third);
        BinaryPrimitives.WriteUInt64BigEndian(text[28..], HexOf((uint)low));
    }

    /// <summary>The eight digits of a number, the first in the highest byte: all at once, each in a byte of its own.</summary>
    private static ulong HexOf(uint number)
    {
        const ulong ones = 0x0101_0101_0101_0101;
        ulong digits = number;
        digits = (digits | (digits << 16)) & 0x0000_FFFF_0000_FFFF;
        digits = (digits | (digits << 8)) & 0x00FF_00FF_00FF_00FF;
        digits = (digits | (digits << 4)) & 0x0F0F_0F0F_0F0F_0F0F;

        // Those from ten on are letters, which lie that much further on.
        var letters = ((digits + (6 * ones)) >> 4) & ones;
        return digits + ('0' * ones) + (letters * ('a' - '9' - 1));
    }

    /// <summary>Edits a request that was let in. It has a request id afterwards, where one is wanted.</summary>
    public abstract void Apply(RequestHead head, in RequestArrival arrival);
}
