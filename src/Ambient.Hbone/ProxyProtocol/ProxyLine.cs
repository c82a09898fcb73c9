using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Ambient.Hbone.ProxyProtocol;

/// <summary>
/// The header of the PROXY protocol, version 1: a line of text (https://www.haproxy.org/download/1.8/doc/proxy-protocol.txt section 2.1). Read as strictly as it is
/// specified, because who sends it decides whom policies see.
/// </summary>
public static class ProxyLine
{
    /// <summary>Longest line, its end included.</summary>
    public const int MaxLength = 107;

    private const string Prefix = "PROXY ";

    /// <summary>Whether a connection begins as a line does; of fewer bytes than the first word has, whether it may.</summary>
    /// <param name="bytes">What came so far.</param>
    public static bool IsBegun(ReadOnlySpan<byte> bytes) => "PROXY "u8.StartsWith(bytes[..Math.Min(bytes.Length, Prefix.Length)]);

    /// <summary>Reads a line.</summary>
    /// <param name="line">The line, with its CR and LF.</param>
    /// <returns>The header; without addresses where the proxy does not know them (<c>UNKNOWN</c>).</returns>
    /// <exception cref="InvalidDataException">It is no such line; the message says why.</exception>
    public static ProxyHeader Read(ReadOnlySpan<byte> line)
    {
        if (line.Length > MaxLength || !line.EndsWith("\r\n"u8) || !Ascii.IsValid(line))
        {
            throw new InvalidDataException($"PROXY protocol: not a line of at most {MaxLength} bytes of ASCII that ends with CR and LF");
        }

        var words = Encoding.ASCII.GetString(line[..^2]).Split(' ');
        switch (words)
        {
            // Whatever else is on the line is to be passed over.
            case ["PROXY", "UNKNOWN", ..]:
                return new ProxyHeader();
            case ["PROXY", "TCP4" or "TCP6", var source, var destination, var sourcePort, var destinationPort]:
                var family = words[1] == "TCP4" ? AddressFamily.InterNetwork : AddressFamily.InterNetworkV6;
                return new ProxyHeader
                {
                    Source = new IPEndPoint(AddressOf(source, family), PortOf(sourcePort)),
                    Destination = new IPEndPoint(AddressOf(destination, family), PortOf(destinationPort)),
                };
            default:
                throw new InvalidDataException("PROXY protocol: the line is not \"PROXY\", TCP4, TCP6 or UNKNOWN, two addresses and two ports, with one blank between");
        }
    }

    private static IPAddress AddressOf(string text, AddressFamily family)
    {
        // The library takes more forms than there are: an IPv4 address is four numbers as they are written back, and neither has a zone or brackets.
        if (!IPAddress.TryParse(text, out var address) || address.AddressFamily != family
            || (family == AddressFamily.InterNetwork ? address.ToString() != text : text.AsSpan().ContainsAny("%[]")))
        {
            throw new InvalidDataException("PROXY protocol: an address is not one of its family");
        }

        return address;
    }

    private static int PortOf(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port <= ushort.MaxValue && (text.Length == 1 || text[0] != '0')
            ? port
            : throw new InvalidDataException("PROXY protocol: a port is not a number from 0 to 65535 without zeros before it");
}
