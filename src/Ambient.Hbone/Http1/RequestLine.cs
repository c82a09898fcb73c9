using System.Text;
using Ambient.Http;

namespace Ambient.Hbone.Http1;

/// <summary>Reads the first line of requests (RFC 9112 section 3), and keeps the texts of the last one.</summary>
internal sealed class RequestLine
{
    private readonly CachedText _method = new();
    private readonly CachedText _target = new();
    private readonly CachedText _authority = new();

    /// <summary>Reads a line, without its CRLF, into a head. The authority is set where the target has one.</summary>
    /// <exception cref="Http1Exception">It breaks the protocol.</exception>
    public void Read(ReadOnlySpan<byte> line, RequestHead head)
    {
        // Exactly one space before and after the target; any other blank ends up in a part that may not have it.
        // Both are near an end: methods have a few letters, and a version has eight bytes.
        var (first, last) = (0, line.Length - 1);
        while (first < line.Length && line[first] != ' ')
        {
            first++;
        }

        while (last >= 0 && line[last] != ' ')
        {
            last--;
        }

        if (first >= last)
        {
            throw new Http1Exception(400, "the request line is not a method, a target and a version");
        }

        var method = line[..first];
        var target = line[(first + 1)..last];
        var known = KnownMethod(method);
        if (known is null && !HttpSyntax.IsToken(method))
        {
            throw new Http1Exception(400, "the method is not a token");
        }

        head.Version = VersionOf(line[(last + 1)..]);
        head.Method = known ?? _method.Of(method);
        if (!HttpSyntax.IsTarget(target))
        {
            throw new Http1Exception(400, "the target has blanks, a fragment, or characters that are not visible ASCII");
        }

        ReadTarget(target, head);
    }

    private static HttpProtocolVersion VersionOf(ReadOnlySpan<byte> version)
    {
        if (version.SequenceEqual("HTTP/1.1"u8))
        {
            return HttpProtocolVersion.Http11;
        }

        if (version.SequenceEqual("HTTP/1.0"u8))
        {
            return HttpProtocolVersion.Http10;
        }

        throw version.Length == 8 && version.StartsWith("HTTP/"u8) && char.IsAsciiDigit((char)version[5]) && version[6] == '.' && char.IsAsciiDigit((char)version[7])
            ? new Http1Exception(505, "the version is not HTTP/1.0 or HTTP/1.1")
            : new Http1Exception(400, "the version is not one of HTTP");
    }

    // The case of a method counts: "get" is another method than GET (RFC 9110 section 9.1).
    private static string? KnownMethod(ReadOnlySpan<byte> method)
    {
        switch (method.Length)
        {
            case 3 when method.SequenceEqual("GET"u8): return "GET";
            case 3 when method.SequenceEqual("PUT"u8): return "PUT";
            case 4 when method.SequenceEqual("POST"u8): return "POST";
            case 4 when method.SequenceEqual("HEAD"u8): return "HEAD";
            case 5 when method.SequenceEqual("PATCH"u8): return "PATCH";
            case 5 when method.SequenceEqual("TRACE"u8): return "TRACE";
            case 6 when method.SequenceEqual("DELETE"u8): return "DELETE";
            case 7 when method.SequenceEqual("OPTIONS"u8): return "OPTIONS";
            case 7 when method.SequenceEqual("CONNECT"u8): return "CONNECT";
            default: return null;
        }
    }

    private void ReadTarget(ReadOnlySpan<byte> target, RequestHead head)
    {
        if (head.Method == "CONNECT")
        {
            if (!HttpSyntax.IsAuthority(target) || target.LastIndexOf((byte)':') <= target.LastIndexOf((byte)']'))
            {
                throw new Http1Exception(400, "the target of CONNECT is not a host and a port");
            }

            head.Authority = _authority.Of(target);
            return;
        }

        if (target[0] == '/')
        {
            head.Target = _target.Of(target);
            return;
        }

        if (target.SequenceEqual("*"u8) && head.Method == "OPTIONS")
        {
            head.Target = "*";
            return;
        }

        ReadAbsolute(target, head);
    }

    private void ReadAbsolute(ReadOnlySpan<byte> target, RequestHead head)
    {
        var colon = target.IndexOf("://"u8);
        head.Scheme = colon switch
        {
            4 when Ascii.EqualsIgnoreCase(target[..4], "http"u8) => "http",
            5 when Ascii.EqualsIgnoreCase(target[..5], "https"u8) => "https",
            _ => throw new Http1Exception(400, "the target does not begin with a slash or with http:// or https://"),
        };
        var rest = target[(colon + 3)..];
        var end = rest.IndexOfAny((byte)'/', (byte)'?');
        var authority = end < 0 ? rest : rest[..end];
        if (!HttpSyntax.IsAuthority(authority))
        {
            throw new Http1Exception(400, "the target names no valid host");
        }

        head.Authority = _authority.Of(authority);

        // An empty path is a slash, but with OPTIONS it means the server (RFC 9112 section 3.2.4).
        var path = end < 0 ? default : rest[end..];
        head.Target = path.IsEmpty ? head.Method == "OPTIONS" ? "*" : "/"
            : path[0] == '/' ? _target.Of(path)
            : string.Concat("/", Encoding.ASCII.GetString(path));
    }
}
