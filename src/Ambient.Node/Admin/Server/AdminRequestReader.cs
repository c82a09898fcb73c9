using System.Net.Sockets;
using System.Text;

namespace Ambient.Node.Admin.Server;

/// <summary>Reads the head of an HTTP/1.1 request, of which the admin endpoints need little.</summary>
internal static class AdminRequestReader
{
    /// <summary>Longest head, in bytes.</summary>
    public const int MaxHead = 8 * 1024;

    /// <summary>Reads up to the empty line; null when there is none within <see cref="MaxHead"/> bytes.</summary>
    public static async ValueTask<string?> ReadHeadAsync(Socket client, byte[] small, CancellationToken cancellationToken)
    {
        var buffer = small;
        var length = 0;
        while (true)
        {
            if (length == buffer.Length)
            {
                if (length >= MaxHead)
                {
                    return null;
                }

                Array.Resize(ref buffer, buffer.Length * 2);
            }

            var count = await client.ReceiveAsync(buffer.AsMemory(length), cancellationToken).ConfigureAwait(false);
            if (count == 0)
            {
                return null;
            }

            var searchFrom = Math.Max(0, length - 3);
            length += count;
            var end = buffer.AsSpan(searchFrom, length - searchFrom).IndexOf("\r\n\r\n"u8);
            if (end >= 0)
            {
                return Encoding.Latin1.GetString(buffer, 0, searchFrom + end);
            }
        }
    }

    /// <summary>The request of a head; null when it is not one.</summary>
    public static AdminRequest? Parse(string head)
    {
        ArgumentNullException.ThrowIfNull(head);
        var lines = head.Split("\r\n");
        if (lines[0].Split(' ') is not [{ Length: > 0 } method, { Length: > 0 } target, ("HTTP/1.1" or "HTTP/1.0") and var version])
        {
            return null;
        }

        string? authority = null;
        if (!target.StartsWith('/'))
        {
            // The absolute form, whose authority goes before Host (RFC 9112 section 3.2.2).
            if (!Uri.TryCreate(target, UriKind.Absolute, out var uri) || uri.Scheme != Uri.UriSchemeHttp)
            {
                return null;
            }

            (authority, target) = (uri.Authority, uri.PathAndQuery);
        }

        string? host = null, origin = null, site = null, accept = null, encoding = null;
        foreach (var line in lines.AsSpan(1))
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon <= 0)
            {
                return null;
            }

            // A field that occurs twice is one list (RFC 9110 section 5.2); of Host and Origin that makes a value which nothing accepts.
            var value = line[(colon + 1)..].Trim();
            switch (line[..colon].ToLowerInvariant())
            {
                case "host": host = Join(host, value); break;
                case "origin": origin = Join(origin, value); break;
                case "sec-fetch-site": site = Join(site, value); break;
                case "accept": accept = Join(accept, value); break;
                case "accept-encoding": encoding = Join(encoding, value); break;
            }
        }

        var question = target.IndexOf('?', StringComparison.Ordinal);
        return new AdminRequest(method, question < 0 ? target : target[..question], question < 0 ? "" : target[(question + 1)..], accept ?? "")
        {
            AcceptEncoding = encoding ?? "",
            Host = authority ?? host,
            Origin = origin,
            FetchSite = site,
            TakesChunks = version == "HTTP/1.1",
        };
    }

    private static string Join(string? before, string value) => before is null ? value : $"{before},{value}";
}
