using System.Net;

namespace Ambient.Mesh;

/// <summary>Addresses as the mesh writes and compares them: an IPv4 address that is dressed as IPv6 (RFC 4291 section 2.5.5.2) would slip past every IPv4 range.</summary>
public static class PlainAddress
{
    /// <summary>The IPv4 form of an IPv4-mapped address; any other address as it is.</summary>
    /// <param name="address">The address.</param>
    /// <exception cref="ArgumentNullException"><paramref name="address"/> is null.</exception>
    public static IPAddress Of(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        return address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
    }

    /// <summary>The same of an address with a port; the instance itself where nothing changes.</summary>
    /// <param name="endPoint">Address and port.</param>
    /// <exception cref="ArgumentNullException"><paramref name="endPoint"/> is null.</exception>
    public static IPEndPoint Of(IPEndPoint endPoint)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        return endPoint.Address.IsIPv4MappedToIPv6 ? new IPEndPoint(endPoint.Address.MapToIPv4(), endPoint.Port) : endPoint;
    }
}
