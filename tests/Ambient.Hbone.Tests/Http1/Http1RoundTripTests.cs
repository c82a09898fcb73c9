using System.Text;
using Ambient.Hbone.Http1;
using Ambient.Http;
using Ambient.Testing.Fuzzing;

namespace Ambient.Hbone.Tests.Http1;

/// <summary>What the writer makes of any head, the strict parsers read as that head and nothing else; what they are given of anything, they survive.</summary>
[Trait("Category", "Fuzz")]
public sealed class Http1RoundTripTests
{
    private const string TokenCharacters = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
    private static readonly string[] s_methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "get", "M-SEARCH", "CONNECT"];
    private static readonly string[] s_authorities = ["a", "shop.app.svc.cluster.local:80", "[::1]:8080", "10.0.0.1", "a_b.example:1"];
    private static readonly string[] s_odd = ["\r\n", "\n", "\r", "\0", " ", "\t", ":", ",", ";", "chunked", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Host: b\r\n", "0\r\n\r\n", "\u00FF", "\"", "GET ", "HTTP/1.1"];

    [Fact]
    public void Requests() => FuzzBudget.Run(2_000, random =>
    {
        var head = new RequestHead { Method = Pick(random, s_methods), Authority = Pick(random, s_authorities), Target = Target(random), TakesTrailers = Chance(random) };
        if (head.Method == "CONNECT")
        {
            (head.Authority, head.Target) = ("a:1", "");
        }

        head.Upgrade = Chance(random) ? Pick(random, ["websocket", "a/1, b"]) : null;
        AddFields(random, head.Fields);
        var body = head.Method == "CONNECT" ? Http1BodyKind.None : Pick(random, [Http1BodyKind.None, Http1BodyKind.Length, Http1BodyKind.Chunked]);
        head.ContentLength = body == Http1BodyKind.Length ? random.NextInt64(1, 1L << 50) : null;
        head.HasBody = body != Http1BodyKind.None;
        var keepAlive = Chance(random) || head.Upgrade is not null;

        var bytes = new byte[Http1Writer.MeasureRequest(head)];
        var length = Http1Writer.WriteRequest(head, body, keepAlive, bytes);
        var read = Heads.Request(bytes.AsSpan(0, length), Sizes(random));

        // The writer says that there is no body where one is expected; an upgrade is not asked for with a close.
        head.ContentLength ??= read.Head.ContentLength == 0 && body == Http1BodyKind.None ? 0 : null;
        head.ExpectsContinue = head.HasBody && string.Equals(head.Get("expect"), "100-continue", StringComparison.OrdinalIgnoreCase);
        var framing = new Http1Framing(body, body == Http1BodyKind.Length ? head.ContentLength!.Value : 0, head.Method != "CONNECT" && keepAlive);
        Assert.Equal(Heads.Describe(new ReadRequest(head, true, framing, length)), Heads.Describe(read));
    });

    [Fact]
    public void Responses() => FuzzBudget.Run(2_000, random =>
    {
        var head = new ResponseHead { Status = Pick(random, [100, 101, 103, 200, 204, 301, 304, 404, 503, 599]) };
        AddFields(random, head.Fields);
        head.Upgrade = head.Status == 101 ? "websocket" : null;
        var hasNone = head.Status is < 200 or 204 or 304;
        var body = hasNone ? Http1BodyKind.None : Pick(random, [Http1BodyKind.None, Http1BodyKind.Length, Http1BodyKind.Chunked, Http1BodyKind.UntilClose]);
        head.ContentLength = body == Http1BodyKind.Length || (body == Http1BodyKind.None && head.Status is 200 or >= 300 && Chance(random)) ? random.NextInt64(1, 1L << 50) : null;
        head.HasBody = body != Http1BodyKind.None;
        var keepAlive = Chance(random);

        var bytes = new byte[Http1Writer.MeasureResponse(head)];
        var length = Http1Writer.WriteResponse(head, body, keepAlive, HttpProtocolVersion.Http11, bytes);
        var read = Heads.Response(bytes.AsSpan(0, length), body == Http1BodyKind.None && !hasNone ? "HEAD" : "GET", Sizes(random));
        var framing = new Http1Framing(body, body == Http1BodyKind.Length ? head.ContentLength!.Value : 0, head.Status < 200 || (keepAlive && body != Http1BodyKind.UntilClose));
        Assert.Equal(Heads.Describe(new ReadResponse(head, true, framing, length)), Heads.Describe(read));
    });

    [Fact]
    public void Chunked_bodies() => FuzzBudget.Run(1_000, random =>
    {
        var (wire, body) = (new MemoryStream(), new MemoryStream());
        Span<byte> buffer = stackalloc byte[Http1Writer.ChunkHeaderSize];
        for (var left = random.Next(5); left > 0; left--)
        {
            var chunk = new byte[random.Next(1, 300)];
            random.NextBytes(chunk);
            wire.Write(buffer[..Http1Writer.WriteChunkHeader(chunk.Length, buffer)]);
            wire.Write(chunk);
            wire.Write("\r\n"u8);
            body.Write(chunk);
        }

        var trailers = new HttpFields();
        AddFields(random, trailers, "expect");
        var end = new byte[Http1Writer.MeasureTrailers(trailers)];
        wire.Write(end.AsSpan(0, Http1Writer.WriteTrailers(trailers, end)));
        var length = (int)wire.Length;
        wire.Write("GET / HTTP/1.1\r\n"u8);

        var read = Heads.Chunked(wire.ToArray(), Sizes(random));
        Assert.Equal((true, length, Heads.Lines(trailers)), (read.IsDone, read.Consumed, Heads.Lines(read.Trailers)));
        Assert.Equal(body.ToArray(), read.Bytes);
    });

    // A message that was damaged is refused, waits for more, or is read as one that the writer could have written.
    [Fact]
    public void Damaged_requests() => FuzzBudget.Run(5_000, random =>
    {
        var text = new StringBuilder("POST /a?b HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nConnection: keep-alive, x-gone\r\nContent-Length: 5\r\nX-Gone: 1\r\nTE: trailers\r\n\r\nhello");
        Damage(random, text);
        var bytes = Heads.Bytes(text.ToString());
        var outcome = RequestCases.Outcome(bytes);
        Assert.Equal(outcome, RequestCases.Outcome(bytes, Sizes(random)));
        if (outcome is "more" or "400" or "431" or "501" or "505")
        {
            return;
        }

        var read = Heads.Request(bytes);
        read.Head.Version = HttpProtocolVersion.Http11;
        if (read.Head.Authority.Length == 0)
        {
            return;
        }

        var again = new byte[Http1Writer.MeasureRequest(read.Head)];
        var length = Http1Writer.WriteRequest(read.Head, read.Framing.Kind, read.Framing.KeepAlive, again);
        read.Head.Scheme = "";
        read.Head.ContentLength ??= read.Framing.Kind == Http1BodyKind.None && read.Head.Method is not ("GET" or "HEAD" or "DELETE" or "TRACE" or "OPTIONS" or "CONNECT") ? 0 : null;
        Assert.Equal(Heads.Describe(read with { Consumed = length }), Heads.Describe(Heads.Request(again.AsSpan(0, length))));
    });

    [Fact]
    public void Damaged_responses_and_chunks() => FuzzBudget.Run(5_000, random =>
    {
        var text = new StringBuilder("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-One: 1\r\nConnection: x-gone\r\nX-Gone: 1\r\n\r\n");
        Damage(random, text);
        var bytes = Heads.Bytes(text.ToString());
        Assert.Equal(ResponseCases.Outcome(bytes, "GET"), ResponseCases.Outcome(bytes, "GET", Sizes(random)));
        text = new StringBuilder("5\r\nhello\r\n6;a=\"b\"\r\n world\r\n0\r\nX: y\r\n\r\n");
        Damage(random, text);
        bytes = Heads.Bytes(text.ToString());
        Assert.Equal(ChunkedCases.Outcome(bytes), ChunkedCases.Outcome(bytes, Sizes(random)));
    });

    private static void Damage(Random random, StringBuilder text)
    {
        for (var i = random.Next(1, 4); i > 0 && text.Length > 0; i--)
        {
            var at = random.Next(text.Length);
            switch (random.Next(4))
            {
                case 0:
                    text.Remove(at, Math.Min(random.Next(1, 4), text.Length - at));
                    break;
                case 1:
                    text[at] = (char)random.Next(256);
                    break;
                case 2:
                    text.Insert(at, Pick(random, s_odd));
                    break;
                default:
                    text.Insert(random.Next(text.Length), text.ToString(at, random.Next(text.Length - at)));
                    break;
            }
        }
    }

    private static void AddFields(Random random, HttpFields fields, params string[] without)
    {
        for (var left = random.Next(12); left > 0; left--)
        {
            var name = new string([.. Enumerable.Range(0, random.Next(1, 20)).Select(_ => TokenCharacters[random.Next(TokenCharacters.Length)])]);
            var value = new string([.. Enumerable.Range(0, random.Next(30)).Select(_ => (char)random.Next(256)).Where(HttpSyntax.IsFieldValue)]);
            fields.Add(name, value);
        }

        if (Chance(random) && !without.Contains("expect"))
        {
            fields.Add("Expect", Pick(random, ["100-continue", "else"]));
        }
    }

    private static string Target(Random random) => "/" + new string([.. Enumerable.Range(0, random.Next(40)).Select(_ => (char)random.Next('!', '~' + 1)).Where(c => c != '#')]);

    private static int[] Sizes(Random random) => [.. Enumerable.Range(0, random.Next(5)).Select(_ => random.Next(1, 40))];

    private static bool Chance(Random random) => random.Next(2) == 0;

    private static T Pick<T>(Random random, T[] values) => values[random.Next(values.Length)];
}
