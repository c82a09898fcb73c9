using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Ambient.Identity;
using Ambient.Mesh;

namespace Ambient.Hbone.ProxyProtocol;

/// <summary>
/// The header of the PROXY protocol, version 2: who a connection came from before a proxy made it anew. A ztunnel puts it before
/// the bytes that it delivers to a waypoint which does not speak HBONE itself.
/// </summary>
public sealed record ProxyHeader
{
    /// <summary>Type of the value that carries the identity of the client, as Istio has it.</summary>
    public const byte IdentityType = 0xD0;

    /// <summary>Longest header that is read: fixed part, addresses and values.</summary>
    public const int MaxLength = 4096;

    private const int FixedLength = 16;
    private const byte VersionTwo = 0x20;
    private const byte CommandProxy = 1;
    private const byte OverTcp4 = 0x11;
    private const byte OverTcp6 = 0x21;

    private static ReadOnlySpan<byte> Signature => [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A];

    /// <summary>Address of the client; null when it is not told.</summary>
    public IPEndPoint? Source { get; init; }

    /// <summary>Address that the client wanted; null when it is not told.</summary>
    public IPEndPoint? Destination { get; init; }

    /// <summary>Authenticated identity of the client; null when it has none or it is not told.</summary>
    public SpiffeId? Identity { get; init; }

    /// <summary>
    /// The header as bytes. Addresses of two families, or only one address, go out as unspecified: the protocol has no form for them.
    /// </summary>
    public byte[] ToArray()
    {
        var (source, destination) = (Source is null ? null : PlainAddress.Of(Source), Destination is null ? null : PlainAddress.Of(Destination));
        var family = source is null || destination is null || source.AddressFamily != destination.AddressFamily ? (byte)0
            : source.AddressFamily == AddressFamily.InterNetwork ? OverTcp4
            : OverTcp6;
        var addresses = AddressesLength(family);
        var identity = Identity is null ? [] : Encoding.UTF8.GetBytes(Identity.ToString());
        var value = Identity is null ? 0 : 3 + identity.Length;
        var bytes = new byte[FixedLength + addresses + value];
        Signature.CopyTo(bytes);
        bytes[12] = VersionTwo | CommandProxy;
        bytes[13] = family;
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(14), (ushort)(addresses + value));
        if (addresses > 0)
        {
            var length = (addresses - 4) / 2;
            source!.Address.TryWriteBytes(bytes.AsSpan(FixedLength), out _);
            destination!.Address.TryWriteBytes(bytes.AsSpan(FixedLength + length), out _);
            BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(FixedLength + (2 * length)), (ushort)source.Port);
            BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(FixedLength + (2 * length) + 2), (ushort)destination.Port);
        }

        if (value > 0)
        {
            var at = bytes.AsSpan(FixedLength + addresses);
            at[0] = IdentityType;
            BinaryPrimitives.WriteUInt16BigEndian(at[1..], (ushort)identity.Length);
            identity.CopyTo(at[3..]);
        }

        return bytes;
    }

    /// <summary>Reads a header from the begin of a connection. False: more bytes are needed.</summary>
    /// <param name="bytes">What came so far.</param>
    /// <param name="header">The header. Without addresses for a connection of the proxy itself (LOCAL), and for unspecified ones.</param>
    /// <param name="length">Bytes of the header: what follows is the client's.</param>
    /// <exception cref="InvalidDataException">These bytes are no header, or one that nobody should send; the message says why.</exception>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out ProxyHeader? header, out int length)
    {
        (header, length) = (null, 0);
        if (!Signature.StartsWith(bytes[..Math.Min(bytes.Length, Signature.Length)]))
        {
            throw new InvalidDataException("no PROXY protocol, version 2: the signature is missing");
        }

        if (bytes.Length < FixedLength)
        {
            return false;
        }

        var (versionAndCommand, family) = (bytes[12], bytes[13]);
        if (versionAndCommand is not (VersionTwo or VersionTwo | CommandProxy))
        {
            throw new InvalidDataException($"PROXY protocol: version and command 0x{versionAndCommand:X2} are not known");
        }

        var rest = BinaryPrimitives.ReadUInt16BigEndian(bytes[14..]);
        if (FixedLength + rest > MaxLength)
        {
            throw new InvalidDataException($"PROXY protocol: a header of {FixedLength + rest} bytes is longer than {MaxLength}");
        }

        if (bytes.Length < FixedLength + rest)
        {
            return false;
        }

        length = FixedLength + rest;
        var content = bytes[FixedLength..length];

        // The proxy speaks for itself: whatever else it says is not about a client.
        header = versionAndCommand == VersionTwo ? new ProxyHeader() : ReadContent(family, content);
        return true;
    }

    private static ProxyHeader ReadContent(byte family, ReadOnlySpan<byte> content)
    {
        if (family is not (0 or OverTcp4 or OverTcp6))
        {
            throw new InvalidDataException($"PROXY protocol: family and protocol 0x{family:X2} are not TCP over IPv4 or IPv6");
        }

        var addresses = AddressesLength(family);
        if (content.Length < addresses)
        {
            throw new InvalidDataException($"PROXY protocol: {content.Length} bytes are too few for addresses of {addresses}");
        }

        var header = new ProxyHeader { Identity = ReadIdentity(content[addresses..]) };
        if (addresses == 0)
        {
            return header;
        }

        var length = (addresses - 4) / 2;
        return header with
        {
            Source = new IPEndPoint(new IPAddress(content[..length]), BinaryPrimitives.ReadUInt16BigEndian(content[(2 * length)..])),
            Destination = new IPEndPoint(new IPAddress(content[length..(2 * length)]), BinaryPrimitives.ReadUInt16BigEndian(content[((2 * length) + 2)..])),
        };
    }

    private static SpiffeId? ReadIdentity(ReadOnlySpan<byte> values)
    {
        SpiffeId? identity = null;
        while (!values.IsEmpty)
        {
            if (values.Length < 3 || values.Length - 3 < BinaryPrimitives.ReadUInt16BigEndian(values[1..]))
            {
                throw new InvalidDataException("PROXY protocol: a value is longer than the header");
            }

            var value = values[3..(3 + BinaryPrimitives.ReadUInt16BigEndian(values[1..]))];
            if (values[0] == IdentityType)
            {
                if (identity is not null)
                {
                    throw new InvalidDataException("PROXY protocol: two identities");
                }

                if (!SpiffeId.TryParse(Encoding.UTF8.GetString(value), out identity))
                {
                    throw new InvalidDataException("PROXY protocol: the identity is no SPIFFE ID");
                }
            }

            values = values[(3 + value.Length)..];
        }

        return identity;
    }

    private static int AddressesLength(byte family) => family switch
    {
        OverTcp4 => 12,
        OverTcp6 => 36,
        _ => 0,
    };
}
