using System.Text;

namespace Ambient.Hbone.Tests.Http2.SecondOpinions;

/// <summary>The head of a request as a list of headers, and what follows it.</summary>
/// <param name="Headers">Headers, pseudo-headers among them, in any order and form.</param>
/// <param name="Body">Bytes of the body; null: the stream ends with the head.</param>
internal sealed record HeadCase(List<(string Name, string Value)> Headers, int? Body = null)
{
    private static readonly string[] s_pieces =
    [
        "", " ", "\t", "\0", "\r\n", "/", "//", "*", "?", "#", "%", "%00", "a", "A", ":", ":80", "@", "[::1]", "http", "https", "5", "-1", "+5", "trailers", "\u00FF", "\"", ",", "http://b/",
    ];

    private static readonly (string Name, string Value)[] s_odd =
    [
        ("host", "b"), ("host", "a"), ("host", ""), ("content-length", "5"), ("content-length", "6"), ("content-length", "0"), ("te", "trailers"), ("te", "gzip"), ("connection", "close"),
        ("transfer-encoding", "chunked"), ("upgrade", "x"), ("keep-alive", "x"), ("proxy-connection", "x"), ("cookie", "c=3"), ("X-Upper", "x"), ("x y", "z"), ("", "empty"), ("x-y", ""),
        (":method", "GET"), (":path", "/other"), (":scheme", "https"), (":authority", "b"), (":status", "200"), (":protocol", "websocket"), (":unknown", "x"), ("expect", "100-continue"),
    ];

    public static IEnumerable<HeadCase> Seeds
    {
        get
        {
            yield return Get();
            yield return Get(("cookie", "a=1"), ("cookie", "b=2"), ("x-one", "1"), ("x-one", "2"));
            yield return new HeadCase([.. Get().Headers, ("content-length", "5")], 5);
            yield return new HeadCase(Get().Headers, 5);
            foreach (var odd in s_odd)
            {
                yield return Get(odd);
                yield return new HeadCase([odd, .. Get().Headers]);
                yield return new HeadCase([.. Get().Headers, odd], 5);
                yield return new HeadCase([.. Get().Headers, ("x-first", "1"), odd, ("x-last", "2")]);
            }

            for (var i = 0; i < 4; i++)
            {
                foreach (var piece in s_pieces)
                {
                    yield return With(i, piece);
                    yield return With(i, Get().Headers[i].Value + piece);
                }

                // Left out, and at the end.
                yield return new HeadCase([.. Get().Headers.Where((_, at) => at != i)]);
                yield return new HeadCase([.. Get().Headers.Where((_, at) => at != i), ("x-one", "1"), Get().Headers[i]]);
            }

            foreach (var method in new[] { "get", "OPTIONS", "HEAD", "CONNECT", "QUERY", "x-y", "G T" })
            {
                yield return With(0, method);
            }

            yield return new HeadCase([(":method", "OPTIONS"), (":scheme", "http"), (":authority", "a"), (":path", "*")]);
            yield return new HeadCase([(":method", "CONNECT"), (":authority", "a:80")]);
            yield return new HeadCase([(":method", "CONNECT"), (":scheme", "http"), (":authority", "a"), (":path", "/"), (":protocol", "chat")]);
            yield return new HeadCase([(":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "a")]);
            yield return new HeadCase([(":method", "GET"), (":scheme", "ldap"), (":authority", "a"), (":path", "cn=x")]);
            yield return With(3, "/a%00b");
            yield return Get(("host", "a"), ("host", "a"));
            yield return Get(("host", "\"a"), ("host", "a"));
            yield return new HeadCase([(":method", "CONNECT"), (":scheme", "http"), (":authority", "a"), (":path", "/"), (":protocol", "ch@t")], 5);
            yield return Get(("host", "b@"));
            yield return Get(("content-length", "0"), ("content-length", "0"));
            yield return Get(("x-odd", " x"), ("x-odd", "x\t"));
            yield return Get(("x-odd", "x\0y"));
            yield return Get(("x-long", new string('x', 20_000)));
            yield return Get([.. Enumerable.Range(0, 95).Select(static i => ($"x-{i}", "y"))]);
            yield return Get([.. Enumerable.Range(0, 150).Select(static i => ($"x-{i}", "y"))]);
            yield return Get([.. Enumerable.Range(0, 150).Select(static i => ("cookie", $"c{i}=y"))]);
        }
    }

    /// <summary>Another case, changed in one place or a few.</summary>
    public HeadCase Damage(Random random)
    {
        var headers = new List<(string Name, string Value)>(Headers);
        for (var i = random.Next(1, 4); i > 0; i--)
        {
            var at = random.Next(headers.Count);
            switch (random.Next(6))
            {
                case 0:
                    headers.Insert(random.Next(headers.Count + 1), headers[at]);
                    break;
                case 1 when headers.Count > 1:
                    headers.RemoveAt(at);
                    break;
                case 2:
                    headers[at] = (headers[at].Name, headers[at].Value.Insert(random.Next(headers[at].Value.Length + 1), s_pieces[random.Next(s_pieces.Length)]));
                    break;
                case 3:
                    headers[at] = (headers[at].Name.Insert(random.Next(headers[at].Name.Length + 1), ((char)random.Next(256)).ToString()), headers[at].Value);
                    break;
                case 4:
                    var other = random.Next(headers.Count);
                    (headers[at], headers[other]) = (headers[other], headers[at]);
                    break;
                default:
                    headers.Insert(random.Next(headers.Count + 1), s_odd[random.Next(s_odd.Length)]);
                    break;
            }
        }

        return new HeadCase(headers, random.Next(4) == 0 ? 5 : Body);
    }

    public string? Value(string name) => Headers.FirstOrDefault(header => header.Name == name).Value;

    public override string ToString()
    {
        var text = new StringBuilder();
        foreach (var (name, value) in Headers.Take(12))
        {
            text.Append(name).Append('=').Append(value.Length > 60 ? $"({value.Length} characters)" : value).Append(" | ");
        }

        return string.Concat(text.Append(Headers.Count).Append(" headers, body ").Append(Body).ToString().Select(static c => c is < ' ' or > '~' ? $"\\x{(int)c:x2}" : c.ToString()));
    }

    private static HeadCase Get(params (string, string)[] more) => new([(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/path?query"), .. more]);

    private static HeadCase With(int at, string value)
    {
        var headers = Get().Headers;
        headers[at] = (headers[at].Name, value);
        return new HeadCase(headers);
    }
}
