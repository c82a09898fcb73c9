namespace Ambient.Hbone.Tests.Http1;

/// <summary>
/// Heads of requests, by section of RFC 9112 where none other is named, and what becomes of each: the status that it is refused with, or how its body
/// is framed and whether the connection goes on. Many stand for cases that Http11Probe and llhttp test their subjects with.
/// </summary>
internal static class RequestCases
{
    private const string Host = "Host: a.example\r\n";

    public static IEnumerable<(string Text, string Outcome)> All =>
    [
        // 2.2: lines end with CRLF; a few empty ones may come first, and nothing else.
        ($"GET / HTTP/1.1\r\n{Host}\r\n", "None"),
        ($"\r\n\r\nGET / HTTP/1.1\r\n{Host}\r\n", "None"),
        ($"\r\n\r\n\r\nGET / HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"\nGET / HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"\rGET / HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"\r\n GET / HTTP/1.1\r\n{Host}\r\n", "400"),
        ($" GET / HTTP/1.1\r\n{Host}\r\n", "400"),
        ("   \r\n\r\n", "400"),
        ($"GET / HTTP/1.1\n{Host}\r\n", "400"),
        ($"GET / HTTP/1.1\r{Host}\r\n", "400"),
        ($"GET / HTTP/1.1\r\r\n{Host}\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}\rX: y\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n \r\n{Host}\r\n", "400"),
        ($"GET / HTTP/1.1\r\n Host: a\r\n{Host}\r\n", "400"),
        ("\u0016\u0003\u0001\u0002\0\u0001\0", "400"),
        ("\u0080\u0081\u0082\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a.example\r\nX-Test: value", "more"),
        ("", "more"),
        ("\r", "more"),

        // 2.3: versions.
        ($"GET / HTTP/1.0\r\n{Host}\r\n", "None close"),
        ("GET / HTTP/1.0\r\n\r\n", "None close"),
        ($"GET / HTTP/1.2\r\n{Host}\r\n", "505"),
        ($"GET / HTTP/0.9\r\n{Host}\r\n", "505"),
        ($"GET / HTTP/9.9\r\n{Host}\r\n", "505"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
        ("GET /\r\n\r\n", "400"),
        ($"GET / HTTP/1\r\n{Host}\r\n", "400"),
        ($"GET / HTTP/1.\r\n{Host}\r\n", "400"),
        ($"GET / HTTP/.1\r\n{Host}\r\n", "400"),
        ($"GET / HTTP/1.10\r\n{Host}\r\n", "400"),
        ($"GET / HTTP/01.1\r\n{Host}\r\n", "400"),
        ($"GET / HTTP/1,1\r\n{Host}\r\n", "400"),
        ($"GET / HTTP 1.1\r\n{Host}\r\n", "400"),
        ($"GET / http/1.1\r\n{Host}\r\n", "400"),
        ($"GET / HTTPS/1.1\r\n{Host}\r\n", "400"),
        ($"GET / ICE/1.0\r\n{Host}\r\n", "400"),
        ($"GET / RTSP/1.0\r\n{Host}\r\n", "400"),
        ($"GET / HTTP/1.1 \r\n{Host}\r\n", "400"),
        ($"GET / HTTP/1.\u00B9\r\n{Host}\r\n", "400"),

        // 3: one space on either side of the target.
        ($"GET  / HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"GET /  HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"GET\t/ HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"GET /\tHTTP/1.1\r\n{Host}\r\n", "400"),
        ($"GET\u000B/ HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"GET /a b HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"GET HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"GET  HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"/ HTTP/1.1\r\n{Host}\r\n", "400"),

        // 3.1: a method is a token, and its case counts.
        ($"get / HTTP/1.1\r\n{Host}\r\n", "None"),
        ($"MKCOLA / HTTP/1.1\r\n{Host}\r\n", "None"),
        ($"M-SEARCH / HTTP/1.1\r\n{Host}\r\n", "None"),
        ($"G\u00CBT / HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"GE(T / HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"GET\0 / HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"GET: / HTTP/1.1\r\n{Host}\r\n", "400"),

        // 3.2.1 and RFC 9110 7.1: the origin form.
        ($"GET /test.cgi?foo=bar?baz=|&q={{}}^\\\"<>` HTTP/1.1\r\n{Host}\r\n", "None"),
        ($"GET /%00%0d%0a%2e%2f HTTP/1.1\r\n{Host}\r\n", "None"),
        ($"GET //a//b/../c HTTP/1.1\r\n{Host}\r\n", "None"),
        ($"GET /a#b HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"GET /\0 HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"GET /\u007F HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"GET /\u00E9 HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"GET /\u00C0\u00AF HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"GET /a\rb HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"GET a HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"GET ?a HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"GET \\a HTTP/1.1\r\n{Host}\r\n", "400"),

        // 3.2.2: the absolute form.
        ($"GET http://b.example/x HTTP/1.1\r\n{Host}\r\n", "None"),
        ($"GET HTTPS://b.example:1234?x HTTP/1.1\r\n{Host}\r\n", "None"),
        ("GET http://b.example/ HTTP/1.1\r\n\r\n", "400"),
        ("GET http://b.example/ HTTP/1.1\r\nHost:\r\n\r\n", "400"),
        ($"GET http:// HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"GET http:///x HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"GET http:/b.example/x HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"GET ftp://b.example/x HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"GET ://b.example/x HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"GET http://a%12:b!&*$@b.example:1234/toto HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"GET http://b.example:port/ HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"GET http://b.example\\x/ HTTP/1.1\r\n{Host}\r\n", "400"),

        // 3.2.3 and RFC 9110 9.3.6: the authority form. What follows is meant for the tunnel, so it is never another request.
        ("CONNECT home_0.example:443 HTTP/1.1\r\nHost: home_0.example:443\r\n\r\n", "None close"),
        ("CONNECT [::1]:443 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "None close"),
        ($"CONNECT a.example HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"CONNECT [::1] HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"CONNECT / HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"CONNECT http://a.example:1/ HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"CONNECT a:1 HTTP/1.1\r\n{Host}Content-Length: 1\r\n\r\n", "400"),
        ($"CONNECT a:1 HTTP/1.1\r\n{Host}Transfer-Encoding: chunked\r\n\r\n", "501"),
        ($"GET a:1 HTTP/1.1\r\n{Host}\r\n", "400"),

        // 3.2.4: the asterisk form.
        ($"OPTIONS * HTTP/1.1\r\n{Host}\r\n", "None"),
        ($"GET * HTTP/1.1\r\n{Host}\r\n", "400"),
        ($"OPTIONS ** HTTP/1.1\r\n{Host}\r\n", "400"),

        // 3.2 and RFC 9110 7.2: exactly one Host, which is a host.
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: \t \r\n\r\n", "400"),
        ("GET / HTTP/1.0\r\nHost:\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}{Host}\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}hOST: b\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", "None"),
        ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a?b\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a#b\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: http://a\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: \u00E9\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a:\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a:+1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: :80\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: []\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: [g::1]\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", "None"),
        ("GET / HTTP/1.1\r\nHost: [::]:8080\r\n\r\n", "None"),
        ("GET / HTTP/1.1\r\nHost: [::ffff:10.0.0.1]\r\n\r\n", "None"),
        ("GET / HTTP/1.1\r\nHost: 0.0.0.0=5000\r\n\r\n", "None"),
        ("GET / HTTP/1.1\r\nHost:\ta_b.Example:65535 \r\n\r\n", "None"),

        // 5: names are tokens directly before the colon; values have no controls; nothing is folded.
        ($"GET / HTTP/1.1\r\n{Host}X:\r\nY: \r\nZ:a\r\n\r\n", "None"),
        ($"GET / HTTP/1.1\r\n{Host}X: \u00FFD\u00FCsseldorf\t\"a\"\r\n\r\n", "None"),
        ($"GET / HTTP/1.1\r\n{Host}X : y\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}X\t: y\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}: y\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}NoColon\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}Fo@: y\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}B[d: y\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}X\u0001Y: y\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}X\u00EBY: y\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}X Y: y\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}X: a\0b\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}X: a\u0007\u0008\u000Bb\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}X: a\u007Fb\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}X: a\rY: b\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}X: a\r\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}X:\rTransfer-Encoding: chunked\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}X:\nTransfer-Encoding: chunked\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}X: a\r\n b\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}X: a\r\n\tb\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}X\r\n : a\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}X: a\r\n \r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\nHost:\r\n a\r\n\r\n", "400"),

        // 6.1: chunked once, alone, and nothing else; never with a length, never in HTTP/1.0.
        ($"POST / HTTP/1.1\r\n{Host}Transfer-Encoding: chunked\r\n\r\n", "Chunked"),
        ($"GET / HTTP/1.1\r\n{Host}tRANSFER-eNCODING:\tChUnKeD \r\n\r\n", "Chunked"),
        ($"POST / HTTP/1.1\r\n{Host}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length: 5\r\nTransfer-Encoding: identity\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length: 5\r\nTransfer-Encoding:\r\n\r\n", "400"),
        ($"POST / HTTP/1.0\r\n{Host}Transfer-Encoding: chunked\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Transfer-Encoding:\r\n\r\n", "501"),
        ($"POST / HTTP/1.1\r\n{Host}Transfer-Encoding: gzip\r\n\r\n", "501"),
        ($"POST / HTTP/1.1\r\n{Host}Transfer-Encoding: identity\r\n\r\n", "501"),
        ($"POST / HTTP/1.1\r\n{Host}Transfer-Encoding: pigeons\r\n\r\n", "501"),
        ($"POST / HTTP/1.1\r\n{Host}Transfer-Encoding: xchunked\r\n\r\n", "501"),
        ($"POST / HTTP/1.1\r\n{Host}Transfer-Encoding: chunkedchunked\r\n\r\n", "501"),
        ($"POST / HTTP/1.1\r\n{Host}Transfer-Encoding: \"chunked\"\r\n\r\n", "501"),
        ($"POST / HTTP/1.1\r\n{Host}Transfer-Encoding: chunked;a=b\r\n\r\n", "501"),
        ($"POST / HTTP/1.1\r\n{Host}Transfer-Encoding: chunked, chunked\r\n\r\n", "501"),
        ($"POST / HTTP/1.1\r\n{Host}Transfer-Encoding: , chunked\r\n\r\n", "501"),
        ($"POST / HTTP/1.1\r\n{Host}Transfer-Encoding: chunked,\r\n\r\n", "501"),
        ($"POST / HTTP/1.1\r\n{Host}Transfer-Encoding: chunked, gzip\r\n\r\n", "501"),
        ($"POST / HTTP/1.1\r\n{Host}Transfer-Encoding: gzip, chunked\r\n\r\n", "501"),
        ($"POST / HTTP/1.1\r\n{Host}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "501"),
        ($"POST / HTTP/1.1\r\n{Host}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", "501"),
        ($"POST / HTTP/1.1\r\n{Host}Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", "501"),
        ($"POST / HTTP/1.1\r\n{Host}Transfer-Encoding: \u000Bchunked\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Transfer-Encoding: \u000Cchunked\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Transfer-Encoding: chunked\0\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Transfer-Encoding:\r\n chunked\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Transfer-Encoding : chunked\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\n", "Length 5"),

        // 6.2 and 6.3: digits alone, once.
        ($"POST / HTTP/1.1\r\n{Host}\r\n", "None"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length: 0\r\n\r\n", "None"),
        ($"GET / HTTP/1.1\r\n{Host}Content-Length: 5\r\n\r\n", "Length 5"),
        ($"POST / HTTP/1.1\r\n{Host}cONTENT-lENGTH:\t5  \r\n\r\n", "Length 5"),
        ($"POST / HTTP/1.0\r\n{Host}Content-Length: 5\r\n\r\n", "Length 5 close"),
        ($"POST / HTTP/1.0\r\n{Host}\r\n", "None close"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length: 0200\r\n\r\n", "Length 200"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length: 999999999999999999\r\n\r\n", "Length 999999999999999999"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length: 1000000000000000000\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length: 18446744073709551621\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length:\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length: +5\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length: -1\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length: -0\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length: 1 0\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length: 1_0\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length: 0x5\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length: 0o5\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length: 5.0\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length: 5e0\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length: \u00B2\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length: abc\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length: 5, 5\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length: 5, 10\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length: 5\r\nContent-Length: 5\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length: 5\r\nContent-Length: 10\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Content-Length : 5\r\n\r\n", "400"),
        ($"POST / HTTP/1.1\r\n{Host}Content\rLength: 5\r\n\r\n", "400"),

        // 9.3: whether the connection goes on.
        ($"GET / HTTP/1.1\r\n{Host}Connection: close\r\n\r\n", "None close"),
        ($"GET / HTTP/1.1\r\n{Host}Connection: CLOSE\t\r\n\r\n", "None close"),
        ($"GET / HTTP/1.1\r\n{Host}Connection: x, ,close,\r\n\r\n", "None close"),
        ($"GET / HTTP/1.1\r\n{Host}Connection: keep-alive\r\nConnection: close\r\n\r\n", "None close"),
        ($"GET / HTTP/1.1\r\n{Host}Connection: \r\n\r\n", "None"),
        ($"GET / HTTP/1.1\r\n{Host}Proxy-Connection: close\r\n\r\n", "None"),
        ($"GET / HTTP/1.0\r\n{Host}Connection: Keep-Alive\r\n\r\n", "None"),
        ($"GET / HTTP/1.0\r\n{Host}Connection: keep-alive, close\r\n\r\n", "None close"),
        ($"GET / HTTP/1.0\r\n{Host}Connection: keep-alive,\t close\r\n\r\n", "None close"),
        ($"GET / HTTP/1.1\r\n{Host}Connection: keep\ralive\r\n\r\n", "400"),

        // RFC 9110 7.6.1: what Connection may name.
        ($"GET / HTTP/1.1\r\n{Host}Connection: host\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}Connection: close, Authorization\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}Connection: x-forwarded-for\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}Connection: X-Envoy-A-Very-Long-Name-That-Goes-On\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}Connection: content-length\r\nContent-Length: 5\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}Connection: a b\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}Connection: \"close\"\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}Connection: x-tenant\r\nX-Tenant: 1\r\n\r\n", "None"),

        // RFC 9110 7.8: Upgrade is a list of protocols.
        ($"GET / HTTP/1.1\r\n{Host}Connection: upgrade\r\nUpgrade: a/1, b\r\n\r\n", "None"),
        ($"GET / HTTP/1.1\r\n{Host}Connection: upgrade\r\nUpgrade: a b\r\n\r\n", "400"),
        ($"GET / HTTP/1.1\r\n{Host}Connection: upgrade\r\nUpgrade: a/\r\n\r\n", "400"),
    ];

    /// <summary>What becomes of a head that comes in pieces.</summary>
    public static string Outcome(ReadOnlySpan<byte> bytes, params int[] sizes)
    {
        try
        {
            var read = Heads.Request(bytes, sizes);
            return read.IsComplete ? Describe(read.Framing) : "more";
        }
        catch (Ambient.Hbone.Http1.Http1Exception e)
        {
            return e.Status.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }
    }

    public static string Describe(Ambient.Hbone.Http1.Http1Framing framing) =>
        framing.Kind + (framing.Length == 0 ? "" : $" {framing.Length}") + (framing.KeepAlive ? "" : " close");
}
