using System.Text;
using Ambient.Http;

namespace Ambient.Hbone.Http1;

/// <summary>The value of <c>Upgrade</c> (RFC 9110 section 7.8).</summary>
internal static class UpgradeList
{
    /// <summary>
    /// Adds the protocols of a value to a list. <c>h2c</c> is left out: servers of HTTP/2 do without that change (RFC 9113 section 3.1), and a
    /// client that offers it goes on with HTTP/1.1.
    /// </summary>
    /// <param name="list">Protocols so far, joined by commas; null: none.</param>
    /// <param name="value">Value of one field.</param>
    /// <exception cref="Http1Exception">It is not a list of protocols.</exception>
    public static string? Add(string? list, ReadOnlySpan<byte> value)
    {
        if (list is null && Ascii.EqualsIgnoreCase(value, "websocket"u8))
        {
            return "websocket";
        }

        foreach (var range in value.Split((byte)','))
        {
            var protocol = value[range].Trim(" \t"u8);
            if (protocol.IsEmpty || Ascii.EqualsIgnoreCase(protocol, "h2c"u8))
            {
                continue;
            }

            var slash = protocol.IndexOf((byte)'/');
            if (slash < 0 ? !HttpSyntax.IsToken(protocol) : !HttpSyntax.IsToken(protocol[..slash]) || !HttpSyntax.IsToken(protocol[(slash + 1)..]))
            {
                throw new Http1Exception(400, "Upgrade is not a list of protocols");
            }

            var text = Ascii.EqualsIgnoreCase(protocol, "websocket"u8) ? "websocket" : Encoding.ASCII.GetString(protocol);
            list = list is null ? text : $"{list}, {text}";
        }

        return list;
    }
}
