using System.Net;

namespace Ambient.Node.Discovery.Xds.Workloads;

/// <summary>Ranges of addresses as the wire has them: an address within the range, and a length.</summary>
internal static class AddressRange
{
    /// <summary>The range; bits behind the prefix are cleared.</summary>
    public static IPNetwork Of(IPAddress address, int length)
    {
        var bytes = address.GetAddressBytes();
        for (var bit = length; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        }

        return new IPNetwork(new IPAddress(bytes), length);
    }
}
