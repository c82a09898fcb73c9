namespace Ambient.Hbone.Tests.Http1;

/// <summary>Heads of responses and what becomes of each, as in <see cref="RequestCases"/>; "bad" is malformed. The method is that of the request.</summary>
internal static class ResponseCases
{
    public static IEnumerable<(string Text, string Method, string Outcome)> All =>
    [
        // 4: the status line.
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "GET", "None"),
        ("HTTP/1.1 301\r\nContent-Length: 0\r\n\r\n", "GET", "None"),
        ("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "GET", "None"),
        ("HTTP/1.1 200  OK\r\nContent-Length: 0\r\n\r\n", "GET", "None"),
        ("HTTP/1.1 500 Ori\u00EBntatieprobleem\r\nContent-Length: 0\r\n\r\n", "GET", "None"),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "GET", "None close"),
        ("HTP/1.1 200 OK\r\n\r\n", "GET", "bad"),
        ("HTTP/01.1 200 OK\r\n\r\n", "GET", "bad"),
        ("HTTP/1.01 200 OK\r\n\r\n", "GET", "bad"),
        ("HTTP/0.9 200 OK\r\n\r\n", "GET", "bad"),
        ("HTTP/2.0 200 OK\r\n\r\n", "GET", "bad"),
        ("http/1.1 200 OK\r\n\r\n", "GET", "bad"),
        ("RTSP/1.1 200 OK\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1\t200 OK\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1  200 OK\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 2 OK\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 20 OK\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 2000 OK\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 099 OK\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 600 OK\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 2x0 OK\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 200\tOK\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 200 O\0K\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 200 OK\rContent-Length: 0\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 200 OK\r\rContent-Length: 4\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 200 OK\nContent-Length: 0\n\n", "GET", "bad"),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", "GET", "more"),

        // 5: fields, as in a request.
        ("HTTP/1.1 200 OK\r\n Host: foo\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 200 OK\r\nX : y\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 200 OK\r\nX: y\rZ: a\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 200 OK\r\nen-US Content-Type: text/xml\r\n\r\n", "GET", "bad"),

        // 6.3, first rule: no body, whatever the fields say. Who says so all the same is not trusted with another request.
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", "None"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HEAD", "None"),
        ("HTTP/1.1 200 OK\r\n\r\n", "HEAD", "None"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "head", "Length 5"),
        ("HTTP/1.1 100 Continue\r\n\r\n", "GET", "None"),
        ("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 5\r\n\r\n", "GET", "None close"),
        ("HTTP/1.1 204 No Content\r\n\r\n", "GET", "None"),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "GET", "None"),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 11\r\n\r\n", "GET", "None close"),
        ("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", "None close"),
        ("HTTP/1.0 204 No Content\r\nConnection: keep-alive\r\n\r\n", "GET", "None"),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", "GET", "None"),
        ("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", "None"),

        // Second rule: a tunnel.
        ("HTTP/1.1 200 OK\r\n\r\n", "CONNECT", "None close"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "CONNECT", "None close"),
        ("HTTP/1.1 407 No\r\nContent-Length: 5\r\n\r\n", "CONNECT", "Length 5"),
        ("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", "GET", "None"),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 200 OK\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 4\r\n\r\n", "GET", "Length 4"),

        // Third and fourth: transfer codings.
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", "GET", "Chunked"),
        ("HTTP/1.1 200 OK\r\nContent-Length-X: 0\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", "Chunked"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", "HEAD", "bad"),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, deflate\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: deflate, chunked\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunkedchunked\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n  abc\r\n\r\n", "GET", "bad"),

        // Fifth and sixth: lengths.
        ("HTTP/1.1 200 OK\r\nContent-Length:\t42\t\r\n\r\n", "GET", "Length 42"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4, 4\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n", "GET", "bad"),
        ("HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n", "GET", "bad"),

        // Eighth: until the connection ends.
        ("HTTP/1.1 200 OK\r\n\r\n", "GET", "UntilClose close"),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", "GET", "UntilClose close"),
        ("HTTP/1.1 404 Not Found\r\n\r\n", "GET", "UntilClose close"),

        // 9.3: whether the connection goes on.
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n", "GET", "Length 4 close"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nProxy-Connection: close\r\n\r\n", "GET", "Length 4"),
        ("HTTP/1.0 200 OK\r\nContent-Length: 4\r\nConnection: keep-alive\r\n\r\n", "GET", "Length 4"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: Transfer-Encoding, keep-alive, Content-Type\r\n\r\n", "GET", "Length 4"),
    ];

    /// <summary>What becomes of a head that comes in pieces.</summary>
    public static string Outcome(ReadOnlySpan<byte> bytes, string method, params int[] sizes)
    {
        try
        {
            var read = Heads.Response(bytes, method, sizes);
            return read.IsComplete ? RequestCases.Describe(read.Framing) : "more";
        }
        catch (Ambient.Hbone.Http1.Http1Exception)
        {
            return "bad";
        }
    }
}
