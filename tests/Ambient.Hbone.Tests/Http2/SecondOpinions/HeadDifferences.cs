namespace Ambient.Hbone.Tests.Http2.SecondOpinions;

/// <summary>Where another server is known to take what we refuse, or to refuse what we take; <c>docs/protocol.md</c> says why.</summary>
/// <param name="weRefuse">Why we refuse what it takes: what our reasons contain.</param>
/// <param name="theyRefuse">What it refuses that we take.</param>
internal sealed class HeadDifferences(string[] weRefuse, params (string Name, Func<HeadCase, bool> IsOne)[] theyRefuse)
{
    private static readonly System.Buffers.SearchValues<char> s_subDelimiters = System.Buffers.SearchValues.Create(",=;!$&'()*+%~");

    private readonly HashSet<string> _seen = [];

    public static HeadDifferences Kestrel => new(
        [
            "host is not a host with or without a port",
            ":authority is not a host with or without a port",
            "neither :authority nor host",
            ":path has characters that no path has",
            "a value with white space around it or control characters in it",
            "a name that is not a lower-case token",
            "connection-specific header",
            "host twice",
            ":protocol is not valid",
        ],
        ("a zero byte, percent-encoded, in the path", static request => request.Value(":path")?.Contains("%00", StringComparison.Ordinal) == true),
        ("another scheme than the connection's", static request => request.Value(":scheme") is not (null or "http")),
        ("a host with sub-delimiters", static request => $"{request.Value(":authority")}{request.Value("host")}".AsSpan().ContainsAny(s_subDelimiters)),
        ("more than 100 headers, each crumb of a cookie counted", static request => request.Headers.Count > 100));

    public static HeadDifferences Node => new(
        [
            ":authority is not a host with or without a port",
            ":path has characters that no path has",
            "a name that is not a lower-case token",
            "a value with white space around it or control characters in it",
            "host is not a host with or without a port",
            "host twice",
            ":path does not begin with a slash",
            "request head of more than 61440 bytes or 100 fields",
        ],
        ("an extended CONNECT, which it has not announced", static request => request.Value(":protocol") is not null));

    /// <summary>What it takes that we refuse.</summary>
    public IReadOnlyList<string> WeRefuse => weRefuse;

    /// <summary>What it refuses that we take.</summary>
    public IEnumerable<string> TheyRefuse => theyRefuse.Select(static row => row.Name);

    /// <summary>Rows that no case has shown.</summary>
    public IEnumerable<string> Unseen => weRefuse.Concat(TheyRefuse).Except(_seen);

    public bool AreWeKnownToRefuse(string reason)
    {
        var row = Array.Find(weRefuse, row => reason.Contains(row, StringComparison.Ordinal));
        return row is not null && (_seen.Add(row) || true);
    }

    public bool AreTheyKnownToRefuse(HeadCase request)
    {
        var rows = theyRefuse.Where(row => row.IsOne(request)).Select(static row => row.Name).ToArray();
        _seen.UnionWith(rows);
        return rows.Length > 0;
    }
}
