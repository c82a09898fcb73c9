using Ambient.Hbone.Tests.Http2.SecondOpinions;
using Ambient.Testing;

namespace Ambient.Hbone.Tests.Http1.SecondOpinions;

/// <summary>
/// The tables of <c>docs/protocol.md</c> that say where other servers read otherwise have a row for each difference that the comparisons allow, and none
/// that they do not know.
/// </summary>
public sealed class DifferenceTableTests
{
    // Begins of rows, each with the differences that it is about.
    private static readonly (string Row, string[] Differences)[] s_http1 =
    [
        ("bare LF", ["a line of the head ends with LF instead of CRLF", "a line of the trailer section ends with LF instead of CRLF"]),
        ("more than two empty lines", ["empty lines instead of a request", "the method is not a token"]),
        ("more than one space or a tab in the request line", ["the request line is not a method, a target and a version"]),
        ("controls in values", ["the value of a field has control characters", "the name of a field is not a token"]),
        ("a fragment in the target", ["the target has blanks, a fragment, or characters that are not visible ASCII", "the target does not begin with a slash or with http:// or https://", "the target names no valid host"]),
        ("a version", ["the version is not HTTP/1.0 or HTTP/1.1", "the version is not one of HTTP"]),
        ("Host: empty, twice", ["Host is empty", "Host is not a host with or without a port", "there is more than one Host"]),
        ("Host with sub-delimiters", ["a host with sub-delimiters", "the address [::]"]),
        ("a target in absolute form", ["a target in absolute form for another host"]),
        ("`%00`", ["a zero byte, percent-encoded"]),
        ("length with a coding", ["there are Transfer-Encoding and Content-Length", "Transfer-Encoding in HTTP/1.0"]),
        ("`chunked` twice", ["the Transfer-Encoding is not chunked alone"]),
        ("`Content-Length: -0`", ["Content-Length is not a number of at most 18 digits"]),
        ("a chunk's extensions", ["the size of a chunk is not a hexadecimal number and the end of its line"]),
        ("a chunk's size", ["a chunk's size with many zeros in front", "the size of a chunk has more than 16 digits, or is beyond 63 bits"]),
        ("blanks before an extension's semicolon", ["blanks before a chunk's extension"]),
        ("trailers of framing", ["a field of framing, routing or the connection is a trailer (RFC 9110 section 6.5.1)"]),
        ("an empty trailer", []),
        ("`Connection` that names", ["Connection is not a list of tokens", "Connection names ", "Upgrade is not a list of protocols"]),
        ("`Connection: close`", [Differences.WeHaveClosed]),
        ("`Proxy-Connection: close`", ["Proxy-Connection, taken for Connection"]),
        ("a method", ["a method that is not registered"]),
        ("POST of HTTP/1.0", ["POST or PUT of HTTP/1.0 without a length"]),
        ("CONNECT", ["CONNECT to where Host does not say", "CONNECT"]),
        ("a request behind one that asks", ["a request behind one that asks to change the protocol"]),
    ];

    private static readonly (string Row, string[] Differences)[] s_http2 =
    [
        ("neither `:authority` nor Host", ["neither :authority nor host"]),
        ("an authority or Host with credentials", ["host is not a host with or without a port", ":authority is not a host with or without a port"]),
        ("Host twice", ["host twice"]),
        ("a `:protocol`", [":protocol is not valid"]),
        ("an authority with sub-delimiters", ["a host with sub-delimiters"]),
        ("another `:scheme`", ["another scheme than the connection's"]),
        ("a path with a fragment", [":path has characters that no path has"]),
        ("a path without a slash", [":path does not begin with a slash"]),
        ("`%00`", ["a zero byte, percent-encoded, in the path"]),
        ("fields of one connection", ["connection-specific header"]),
        ("a name that is not a token", ["a name that is not a lower-case token"]),
        ("white space around a value", ["a value with white space around it or control characters in it"]),
        ("more than 100 fields", ["more than 100 headers, each crumb of a cookie counted", "request head of more than 61440 bytes or 100 fields"]),
        ("an extended CONNECT", ["an extended CONNECT, which it has not announced"]),
    ];

    [Fact]
    public void Http1_EachDifference_HasItsRow()
    {
        var (kestrel, node) = (Differences.Kestrel, Differences.Node);
        Check("### Other readers\n", s_http1, (kestrel.WeRefuse, kestrel.TheyRefuse), (node.WeRefuse, node.TheyRefuse));
    }

    [Fact]
    public void Http2_EachDifference_HasItsRow()
    {
        var (kestrel, node) = (HeadDifferences.Kestrel, HeadDifferences.Node);
        Check("### Other readers of HTTP/2\n", s_http2, (kestrel.WeRefuse, kestrel.TheyRefuse), (node.WeRefuse, node.TheyRefuse));
    }

    private static void Check(string heading, (string Row, string[] Differences)[] rows, params (IEnumerable<string> WeRefuse, IEnumerable<string> TheyRefuse)[] servers)
    {
        var table = RowsBelow(heading);
        Assert.Equal(table.Length, rows.Length);
        var known = rows.SelectMany(static row => row.Differences).ToArray();
        Assert.Equal(known.Order(StringComparer.Ordinal), servers.SelectMany(static server => server.WeRefuse.Concat(server.TheyRefuse)).Distinct().Order(StringComparer.Ordinal));
        foreach (var (begin, differences) in rows)
        {
            // What, we, Kestrel, Node, why.
            var cells = Assert.Single(table, cells => cells[0].StartsWith(begin, StringComparison.Ordinal));
            for (var i = 0; i < servers.Length; i++)
            {
                var theirs = cells[2 + i];
                Assert.False(theirs == "refuses" && servers[i].WeRefuse.Intersect(differences).Any(), $"{cells[0]}: it takes some");
                Assert.False(theirs == "takes" && servers[i].TheyRefuse.Intersect(differences).Any(), $"{cells[0]}: it refuses some");
            }
        }
    }

    private static string[][] RowsBelow(string heading)
    {
        var text = Repository.ReadDocument("protocol.md").ReplaceLineEndings("\n");
        var begin = text.IndexOf(heading, StringComparison.Ordinal);
        Assert.True(begin >= 0, $"no {heading}");
        return
        [
            .. text[begin..].Split('\n')
                .SkipWhile(static line => !line.StartsWith("|---", StringComparison.Ordinal))
                .Skip(1)
                .TakeWhile(static line => line.StartsWith('|'))
                .Select(static line => line.Trim('|').Split('|', StringSplitOptions.TrimEntries)),
        ];
    }
}
