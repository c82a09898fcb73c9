namespace Ambient.Hbone.Tests.Http1.SecondOpinions;

/// <summary>Where another server is known to take what we refuse, or to refuse what we take; <c>docs/protocol.md</c> says why.</summary>
/// <param name="weRefuse">Why we refuse what it takes: how our errors begin.</param>
/// <param name="theyRefuse">What it refuses that we take: whether a request as we have read it, of a text, is such a one.</param>
internal sealed class Differences(string[] weRefuse, params (string Name, Func<ReadMessage, string, bool> IsOne)[] theyRefuse)
{
    /// <summary>Stands for the end of a connection that we do not go on with.</summary>
    public const string WeHaveClosed = "the connection was to be closed";

    private static readonly System.Buffers.SearchValues<char> s_subDelimiters = System.Buffers.SearchValues.Create(",=;!$&'()*+%~");

    private readonly HashSet<string> _seen = [];

    public static Differences Kestrel => new(
        [
            WeHaveClosed,
            "Connection is not a list of tokens",
            "Connection names ",
            "Content-Length is not a number of at most 18 digits",
            "Host is empty",
            "Host is not a host with or without a port",
            "Upgrade is not a list of protocols",
            "a field of framing, routing or the connection is a trailer (RFC 9110 section 6.5.1)",
            "a line of the head ends with LF instead of CRLF",
            "a line of the trailer section ends with LF instead of CRLF",
            "empty lines instead of a request",
            "Transfer-Encoding in HTTP/1.0",
            "the Transfer-Encoding is not chunked alone",
            "there are Transfer-Encoding and Content-Length",
            "the method is not a token",
            "the name of a field is not a token",
            "the request line is not a method, a target and a version",
            "the size of a chunk is not a hexadecimal number and the end of its line",
            "the target has blanks, a fragment, or characters that are not visible ASCII",
            "the value of a field has control characters",
        ],
        ("a zero byte, percent-encoded", static (request, _) => request.Target.Contains("%00", StringComparison.Ordinal)),
        ("a target in absolute form for another host", static (_, text) => text.Contains("http://", StringComparison.OrdinalIgnoreCase) || text.Contains("https://", StringComparison.OrdinalIgnoreCase)),
        ("CONNECT to where Host does not say", static (request, _) => request.Method == "CONNECT"),
        ("POST or PUT of HTTP/1.0 without a length", static (request, text) => request.Method is "POST" or "PUT" && text.Contains("HTTP/1.0", StringComparison.Ordinal)),
        ("a host with sub-delimiters", static (request, _) => request.Authority.AsSpan().ContainsAny(s_subDelimiters)),
        ("a chunk's size with many zeros in front", static (_, text) => text.Contains("\n0000000", StringComparison.Ordinal)),
        ("the address [::]", static (request, _) => request.Authority.StartsWith("[::]", StringComparison.Ordinal)),
        ("blanks before a chunk's extension", static (_, text) => HasBlankExtension(text)));

    public static Differences Node => new(
        [
            WeHaveClosed,
            "the size of a chunk has more than 16 digits, or is beyond 63 bits",
            "Connection is not a list of tokens",
            "Connection names ",
            "Host is empty",
            "Host is not a host with or without a port",
            "Upgrade is not a list of protocols",
            "a field of framing, routing or the connection is a trailer (RFC 9110 section 6.5.1)",
            "a line of the head ends with LF instead of CRLF",
            "empty lines instead of a request",
            "Transfer-Encoding in HTTP/1.0",
            "the Transfer-Encoding is not chunked alone",
            "the method is not a token",
            "the request line is not a method, a target and a version",
            "the size of a chunk is not a hexadecimal number and the end of its line",
            "the target does not begin with a slash or with http:// or https://",
            "the target has blanks, a fragment, or characters that are not visible ASCII",
            "the target names no valid host",
            "the version is not HTTP/1.0 or HTTP/1.1",
            "the version is not one of HTTP",
            "there is more than one Host",
        ],
        ("a method that is not registered", static (request, _) => !s_nodeMethods.Contains(request.Method)),
        ("CONNECT", static (request, _) => request.Method == "CONNECT"),
        ("blanks before a chunk's extension", static (_, text) => HasBlankExtension(text)),
        ("Proxy-Connection, taken for Connection", static (_, text) => text.Contains("proxy-connection", StringComparison.OrdinalIgnoreCase)),
        ("a request behind one that asks to change the protocol", static (_, text) => text.Contains("upgrade", StringComparison.OrdinalIgnoreCase)));

    /// <summary>What it takes that we refuse.</summary>
    public IReadOnlyList<string> WeRefuse => weRefuse;

    /// <summary>What it refuses that we take.</summary>
    public IEnumerable<string> TheyRefuse => theyRefuse.Select(static row => row.Name);

    /// <summary>Rows that no case has shown.</summary>
    public IEnumerable<string> Unseen => weRefuse.Concat(TheyRefuse).Except(_seen);

    public bool AreWeKnownToRefuse(string reason)
    {
        var row = Array.Find(weRefuse, row => reason.StartsWith(row, StringComparison.Ordinal));
        return row is not null && (_seen.Add(row) || true);
    }

    public bool AreTheyKnownToRefuse(ReadMessage request, string text)
    {
        var rows = theyRefuse.Where(row => row.IsOne(request, text)).Select(static row => row.Name).ToArray();
        _seen.UnionWith(rows);
        return rows.Length > 0;
    }

    private static bool HasBlankExtension(string text) => System.Text.RegularExpressions.Regex.IsMatch(text, "[0-9a-fA-F][ \t]+;|;[ \t]|=[ \t]|[ \t][=;]");

    private static readonly HashSet<string> s_nodeMethods =
    [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "COPY", "LOCK", "MKCOL", "MOVE", "PROPFIND", "PROPPATCH", "SEARCH", "UNLOCK", "BIND", "REBIND",
        "UNBIND", "ACL", "REPORT", "MKACTIVITY", "CHECKOUT", "MERGE", "M-SEARCH", "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE", "PURGE", "MKCALENDAR", "LINK", "UNLINK", "QUERY",
    ];
}
