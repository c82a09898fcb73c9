using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Ambient.Node.Discovery.Documents;

/// <summary>
/// Strict reading of addresses and ranges. <see cref="IPAddress.Parse(string)"/> takes <c>1</c>, <c>0x7f.1</c> and
/// <c>010.0.0.1</c>; in a policy each of these would mean something other than its reader thinks.
/// </summary>
internal static class IPText
{
    /// <summary>Reads an address: four decimal octets, or IPv6 without zone. IPv4-mapped addresses become IPv4.</summary>
    public static bool TryParseAddress(ReadOnlySpan<char> text, out IPAddress address)
    {
        address = IPAddress.None;
        if (text.Contains(':'))
        {
            if (text.ContainsAny("[]%/") || !IPAddress.TryParse(text, out var v6) || v6.AddressFamily != AddressFamily.InterNetworkV6)
            {
                return false;
            }

            address = v6.IsIPv4MappedToIPv6 ? v6.MapToIPv4() : v6;
            return true;
        }

        Span<byte> octets = stackalloc byte[4];
        var count = 0;
        foreach (var part in text.Split('.'))
        {
            var octet = text[part];
            if (count == 4 || octet.Length is 0 or > 3 || (octet.Length > 1 && octet[0] == '0')
                || !byte.TryParse(octet, NumberStyles.None, CultureInfo.InvariantCulture, out octets[count]))
            {
                return false;
            }

            count++;
        }

        if (count != 4)
        {
            return false;
        }

        address = new IPAddress(octets);
        return true;
    }

    /// <summary>Reads an address or an address with prefix length; bits after the prefix are cleared.</summary>
    public static bool TryParseRange(ReadOnlySpan<char> text, out IPNetwork range)
    {
        range = default;
        var slash = text.IndexOf('/');
        if (!TryParseAddress(slash < 0 ? text : text[..slash], out var address))
        {
            return false;
        }

        var bits = address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128;
        var length = bits;
        if (slash >= 0)
        {
            var digits = text[(slash + 1)..];
            if (digits.Length is 0 or > 3 || (digits.Length > 1 && digits[0] == '0')
                || !int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out length) || length > bits)
            {
                return false;
            }
        }

        range = new IPNetwork(Mask(address, length), length);
        return true;
    }

    private static IPAddress Mask(IPAddress address, int length)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out var written);
        for (var i = 0; i < written; i++)
        {
            var keep = Math.Clamp(length - (i * 8), 0, 8);
            bytes[i] &= (byte)(0xFF << (8 - keep));
        }

        return new IPAddress(bytes[..written]);
    }
}
