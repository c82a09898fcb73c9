using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Ambient.Mesh;

namespace Ambient.Node.Sockets;

/// <summary>Where a redirected connection was going before netfilter sent it to us (SO_ORIGINAL_DST).</summary>
internal static class OriginalDestination
{
    /// <summary>The original destination; of a connection that was not redirected, the address it was made to.</summary>
    public static IPEndPoint Of(Socket accepted)
    {
        ArgumentNullException.ThrowIfNull(accepted);

        // An IPv4 client of a dual-stack listener is answered by the IPv4 option.
        return TryRead(accepted, SocketOptionNumbers.LevelIP) ?? TryRead(accepted, SocketOptionNumbers.LevelIPv6) ?? EndPoints.Local(accepted);
    }

    private static IPEndPoint? TryRead(Socket socket, int level)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        Span<byte> address = stackalloc byte[28];
        try
        {
            var length = socket.GetRawSocketOption(level, SocketOptionNumbers.OriginalDestination, address);
            return Parse(address[..length]);
        }
        catch (SocketException)
        {
            // No connection tracking, or not redirected.
            return null;
        }
    }

    /// <summary>Reads a <c>sockaddr_in</c> or <c>sockaddr_in6</c>.</summary>
    internal static IPEndPoint? Parse(ReadOnlySpan<byte> address)
    {
        const ushort IPv4 = 2;
        const ushort IPv6 = 10;
        if (address.Length < 8)
        {
            return null;
        }

        // The family is in the machine's byte order, the port in the network's.
        var family = BitConverter.ToUInt16(address);
        var port = BinaryPrimitives.ReadUInt16BigEndian(address[2..]);
        return family switch
        {
            IPv4 => new IPEndPoint(new IPAddress(address.Slice(4, 4)), port),
            IPv6 when address.Length >= 24 => PlainAddress.Of(new IPEndPoint(new IPAddress(address.Slice(8, 16)), port)),
            _ => null,
        };
    }
}
