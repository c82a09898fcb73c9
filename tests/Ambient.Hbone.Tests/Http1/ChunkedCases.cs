namespace Ambient.Hbone.Tests.Http1;

/// <summary>
/// Chunked bodies (RFC 9112 section 7.1) and what becomes of each: the status that it is refused with, "more" when it has not ended, or its bytes,
/// and after a bar its trailers, joined with semicolons.
/// </summary>
internal static class ChunkedCases
{
    public static IEnumerable<(string Text, string Outcome)> All =>
    [
        ("0\r\n\r\n", "|"),
        ("5\r\nhello\r\n0\r\n\r\n", "hello|"),
        ("a\r\n0123456789\r\n0\r\n\r\n", "0123456789|"),
        ("A\r\n0123456789\r\n00000\r\n\r\n", "0123456789|"),
        ("5\r\nhello\r\n006\r\n world\r\n0\r\n\r\nGET / HTTP/1.1\r\n", "hello world|"),
        ("2\r\n\r\n\r\n0\r\n\r\n", "\r\n|"),
        ("5\r\nhello\r\n", "more"),
        ("5\r\nhel", "more"),
        ("0\r\n", "more"),
        ("0\r\nX: y\r\n", "more"),

        // 7.1.1: extensions mean nothing, but they have a form.
        ("5;ext=value\r\nhello\r\n0;last\r\n\r\n", "hello|"),
        ("5;a;b=c;d=\"e \\\" \\\\ ;\r\"\r\nhello\r\n0\r\n\r\n", "400"),
        ("5;a;b=c;d=\"e \\\" \\\\ ;\t\u00E9\"\r\nhello\r\n0\r\n\r\n", "hello|"),
        ("5 ; a = b ; c\r\nhello\r\n0\r\n\r\n", "hello|"),
        ("5;\r\nhello\r\n0\r\n\r\n", "400"),
        ("5;;a\r\nhello\r\n0\r\n\r\n", "400"),
        ("5;=b\r\nhello\r\n0\r\n\r\n", "400"),
        ("5;a=\r\nhello\r\n0\r\n\r\n", "400"),
        ("5;a \r\nhello\r\n0\r\n\r\n", "400"),
        ("5;a=b \r\nhello\r\n0\r\n\r\n", "400"),
        ("5;a=\"b\" \r\nhello\r\n0\r\n\r\n", "400"),
        ("5;a=\"b\"c\r\nhello\r\n0\r\n\r\n", "400"),
        ("5;a=\"b\r\nhello\r\n0\r\n\r\n", "400"),
        ("5;a=b c\r\nhello\r\n0\r\n\r\n", "400"),
        ("5;bad[=x\r\nhello\r\n0\r\n\r\n", "400"),
        ("5;\nhello\r\n0\r\n\r\n", "400"),
        ("5;a\nhello\r\n0\r\n\r\n", "400"),
        ("5;a\0\r\nhello\r\n0\r\n\r\n", "400"),
        ("5;a\rX\r\nhello\r\n0\r\n\r\n", "400"),

        // Sizes are digits, their line ends with CRLF, and so does the chunk.
        ("\r\nhello\r\n0\r\n\r\n", "400"),
        ("g\r\nhello\r\n0\r\n\r\n", "400"),
        ("+5\r\nhello\r\n0\r\n\r\n", "400"),
        ("-1\r\nhello\r\n0\r\n\r\n", "400"),
        (" 5\r\nhello\r\n0\r\n\r\n", "400"),
        ("\t5\r\nhello\r\n0\r\n\r\n", "400"),
        ("5 \r\nhello\r\n0\r\n\r\n", "400"),
        ("5\t\r\nhello\r\n0\r\n\r\n", "400"),
        ("2 erf\r\naa\r\n0\r\n\r\n", "400"),
        ("0x5\r\nhello\r\n0\r\n\r\n", "400"),
        ("5h\r\nhello\r\n0\r\n\r\n", "400"),
        ("1_0\r\nhello world!!!!!\r\n0\r\n\r\n", "400"),
        ("5.\r\nhello\r\n0\r\n\r\n", "400"),
        ("5\nhello\r\n0\r\n\r\n", "400"),
        ("5\rhello\r\n0\r\n\r\n", "400"),
        ("5\r\r;ABCD\r\n34\r\n", "400"),
        ("5\r\nhello0\r\n\r\n", "400"),
        ("5\r\nhello!!\r\n0\r\n\r\n", "400"),
        ("5\r\nhello\n0\r\n\r\n", "400"),
        ("5\r\nhello\r0\r\n\r\n", "400"),
        ("0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n", "hello|"),
        ("00000000000000005\r\nhello\r\n0\r\n\r\n", "400"),
        ("7FFFFFFFFFFFFFFF\r\n", "more"),
        ("8000000000000000\r\n", "400"),
        ("FFFFFFFFFFFFFFFF\r\nhello", "400"),
        ("FFFFFFFFFFFFFFFF0\r\nhello", "400"),
        ("10000000000000005\r\nhello\r\n0\r\n\r\n", "400"),

        // 7.1.2: trailers are fields, but not those that would change what the message is (RFC 9110 section 6.5.1).
        ("2\r\nhi\r\n0\r\nX-Sum: 42 \r\nx-sum:\r\nVary: *\r\n\r\n", "hi|x-sum: 42;x-sum: ;vary: *"),
        ("0\r\nContent-Length: 5\r\n\r\n", "400"),
        ("0\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
        ("0\r\nHost: a\r\n\r\n", "400"),
        ("0\r\nConnection: close\r\n\r\n", "400"),
        ("0\r\nExpect: 100-continue\r\n\r\n", "400"),
        ("0\r\nX : y\r\n\r\n", "400"),
        ("0\r\nX: y\r\n z\r\n\r\n", "400"),
        ("0\r\nX: \0\r\n\r\n", "400"),
        ("0\r\nGET / HTTP/1.1\r\n\r\n", "400"),
        ("0\r\n\n", "400"),
        ("0\r\nX: y\n\r\n", "400"),
        ("0\r\n\rX\r\n", "400"),
    ];

    /// <summary>What becomes of a body that comes in pieces.</summary>
    public static string Outcome(ReadOnlySpan<byte> bytes, params int[] sizes)
    {
        try
        {
            var read = Heads.Chunked(bytes, sizes);
            return read.IsDone ? $"{read.Text}|{Heads.Lines(read.Trailers).TrimEnd('\n').Replace('\n', ';')}" : "more";
        }
        catch (Ambient.Hbone.Http1.Http1Exception e)
        {
            return e.Status.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }
    }
}
