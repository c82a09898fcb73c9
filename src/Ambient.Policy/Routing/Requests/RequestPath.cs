using System.Buffers;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>
/// The target of a request, split and normalised as policy, routes and backends see it. With <see cref="PathNormalization.Base"/>
/// dot segments are resolved, backslashes become slashes, and percent-encoded unreserved characters are decoded, while encoded
/// slashes and repeated slashes stay: decoding them would change which resource is meant.
/// </summary>
/// <param name="Path">Normalised path; begins with a slash.</param>
/// <param name="Query">Query as sent, without the question mark; empty when there is none.</param>
public readonly record struct RequestPath(string Path, string Query)
{
    // What may need work: everything else is copied as it is.
    private static readonly SearchValues<char> Special = SearchValues.Create("%\\.");

    /// <summary>Path and query as a target to send on.</summary>
    public string Target => Query.Length == 0 ? Path : string.Concat(Path, "?", Query);

    /// <summary>
    /// Reads an origin-form or absolute-form target. False for what has no path to decide on: <c>*</c>, an authority, or
    /// a target with characters that no URI has (blanks, controls, beyond ASCII): the next hop may leave them out or end
    /// the path there, and would serve another one than policy saw.
    /// </summary>
    /// <param name="target">The target as sent.</param>
    /// <param name="path">The path and query.</param>
    /// <param name="normalization">What is done to the path.</param>
    public static bool TryParse(string target, out RequestPath path, PathNormalization normalization = PathNormalization.Base)
    {
        ArgumentNullException.ThrowIfNull(target);
        path = default;
        var raw = target.AsSpan();
        if (raw.ContainsAnyExceptInRange('!', '~'))
        {
            return false;
        }

        if (!raw.StartsWith("/", StringComparison.Ordinal))
        {
            var scheme = raw.IndexOf("://", StringComparison.Ordinal);
            if (scheme < 0)
            {
                return false;
            }

            raw = raw[(scheme + 3)..];
            var authorityEnd = raw.IndexOfAny('/', '?', '#');
            raw = authorityEnd < 0 ? "/" : raw[authorityEnd..];
        }

        var fragment = raw.IndexOf('#');
        if (fragment >= 0)
        {
            raw = raw[..fragment];
        }

        var queryStart = raw.IndexOf('?');
        var query = queryStart < 0 ? "" : raw[(queryStart + 1)..].ToString();
        raw = queryStart < 0 ? raw : raw[..queryStart];
        var merges = normalization is PathNormalization.MergeSlashes or PathNormalization.DecodeAndMergeSlashes;
        var normal = normalization == PathNormalization.None || (raw.IndexOfAny(Special) < 0 && !(merges && raw.Contains("//", StringComparison.Ordinal)))
            ? (raw.Length == target.Length ? target : raw.IsEmpty ? "/" : raw.ToString())
            : Normalize(raw, merges, normalization == PathNormalization.DecodeAndMergeSlashes);
        if (normal is null)
        {
            return false;
        }

        path = new RequestPath(normal, query);
        return true;
    }

    private static string? Normalize(ReadOnlySpan<char> raw, bool mergeSlashes, bool decodeSlashes)
    {
        // Passes over one buffer: decode, then merge slashes, then resolve dot segments, because %2e is a dot and %2f may be a slash.
        var rented = ArrayPool<char>.Shared.Rent(raw.Length + 1);
        try
        {
            var decoded = Decode(raw, rented, decodeSlashes);
            if (decoded < 0)
            {
                return null;
            }

            var merged = mergeSlashes ? MergeSlashes(rented.AsSpan(0, decoded)) : decoded;
            return new string(rented, 0, ResolveDots(rented.AsSpan(0, merged)));
        }
        finally
        {
            ArrayPool<char>.Shared.Return(rented);
        }
    }

    private static int MergeSlashes(Span<char> path)
    {
        var written = 0;
        foreach (var c in path)
        {
            if (c != '/' || written == 0 || path[written - 1] != '/')
            {
                path[written++] = c;
            }
        }

        return written;
    }

    private static int Decode(ReadOnlySpan<char> raw, Span<char> output, bool decodeSlashes)
    {
        var written = 0;
        foreach (var c in raw)
        {
            output[written++] = c == '\\' ? '/' : c;

            // Until nothing changes: with a stray percent sign before it, what was decoded makes another escape (%%32e), and
            // the backend would decode that one.
            while (written >= 3 && output[written - 3] == '%' && char.IsAsciiHexDigit(output[written - 2]) && char.IsAsciiHexDigit(output[written - 1]))
            {
                var value = (char)((HexValue(output[written - 2]) << 4) | HexValue(output[written - 1]));
                if (value == '\0')
                {
                    return -1;
                }

                if (decodeSlashes && (value is '/' or '\\'))
                {
                    value = '/';
                }
                else if (!char.IsAsciiLetterOrDigit(value) && value is not ('-' or '.' or '_' or '~'))
                {
                    break;
                }

                written -= 2;
                output[written - 1] = value;
            }
        }

        return written;
    }

    private static int HexValue(char c) => c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;

    // RFC 3986 5.2.4: a path that would climb above the root stays there.
    private static int ResolveDots(Span<char> path)
    {
        var written = 0;
        var read = 0;
        while (read < path.Length)
        {
            // path[read] is a slash; the segment runs to the next one.
            var rest = path[(read + 1)..];
            var end = rest.IndexOf('/');
            var segment = end < 0 ? rest : rest[..end];
            var length = 1 + segment.Length;
            if (segment is "." or "..")
            {
                if (segment.Length == 2)
                {
                    written = Math.Max(0, path[..written].LastIndexOf('/'));
                }

                if (end < 0)
                {
                    path[written++] = '/';
                }
            }
            else
            {
                path.Slice(read, length).CopyTo(path[written..]);
                written += length;
            }

            read += length;
        }

        if (written == 0)
        {
            path[written++] = '/';
        }

        return written;
    }
}
