using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Ambient.Hbone.Admission;

/// <summary>What counts as one address: an IPv4 address (mapped or not), or the /64 network of an IPv6 address.</summary>
/// <param name="Value">The four bytes of an IPv4 address, or the first eight of an IPv6 address, as a number in network order.</param>
/// <param name="IsIPv6">Which of them.</param>
public readonly record struct AddressKey(ulong Value, bool IsIPv6)
{
    /// <summary>The key of an address.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="address"/> is null.</exception>
    public static AddressKey Of(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        Span<byte> bytes = stackalloc byte[16];
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        plain.TryWriteBytes(bytes, out _);
        return plain.AddressFamily == AddressFamily.InterNetworkV6
            ? new AddressKey(BinaryPrimitives.ReadUInt64BigEndian(bytes), true)
            : new AddressKey(BinaryPrimitives.ReadUInt32BigEndian(bytes), false);
    }
}
