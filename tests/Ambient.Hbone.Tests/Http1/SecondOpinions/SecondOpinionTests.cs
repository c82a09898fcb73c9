using System.Net;
using System.Text;
using Ambient.Testing.Fuzzing;

namespace Ambient.Hbone.Tests.Http1.SecondOpinions;

/// <summary>
/// Our codec beside Kestrel and Node's parser: what two of them take, they read as the same requests. Where one takes what another refuses, the table
/// in <c>docs/protocol.md</c> has a row for it, as <see cref="Differences"/> has here.
/// </summary>
[Trait("Category", "Fuzz")]
public sealed class SecondOpinionTests
{
    // Behind each case: where its reader thinks that the next request begins shows in how this one is read.
    private const string Next = "GET /next HTTP/1.1\r\nHost: next.example\r\nConnection: close\r\n\r\n";

    private static readonly string[] s_odd =
    [
        "\r\n", "\n", "\r", "\0", " ", "\t", ":", ",", ";", "#", "/", "chunked", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Host: b\r\n", "0\r\n\r\n",
        "\u00FF", "\"", "GET ", "HTTP/1.1", "Connection: close\r\n", "5\r\nhello\r\n", "%", "@", "X: y\r\n", " \r\n", "\u000B", "_", "+", "0",
    ];

    private static IEnumerable<string> Seeds
    {
        get
        {
            foreach (var (text, _) in RequestCases.All)
            {
                yield return text;
                if (text.Contains("chunked", StringComparison.OrdinalIgnoreCase))
                {
                    yield return text + "5\r\nhello\r\n0\r\n\r\n";
                }
                else if (text.Contains("Content-Length", StringComparison.OrdinalIgnoreCase))
                {
                    yield return text + "hello";
                }
            }

            foreach (var (text, _) in ChunkedCases.All)
            {
                yield return $"POST /chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{text}";
            }
        }
    }

    [Fact]
    public async Task Kestrel_reads_what_we_read()
    {
        await using var kestrel = await KestrelOpinion.StartAsync();
        await CompareAsync(kestrel.EndPoint, Differences.Kestrel);
    }

    [SkippableFact]
    public async Task Node_reads_what_we_read()
    {
        await using var node = await NodeOpinion.StartAsync();
        await CompareAsync(node.EndPoint, Differences.Node);
    }

    private static async Task CompareAsync(IPEndPoint server, Differences differences)
    {
        var wrong = new List<string>();
        foreach (var text in Seeds)
        {
            wrong.AddRange(await CompareAsync(server, text, differences));
        }

        Assert.True(wrong.Count == 0, string.Join("\n", wrong));
        Assert.Empty(differences.Unseen);
        var seeds = Seeds.ToArray();
        await FuzzBudget.RunAsync(150, async random =>
        {
            var text = new StringBuilder(seeds[random.Next(seeds.Length)]);
            for (var i = random.Next(1, 4); i > 0; i--)
            {
                Damage(random, text);
            }

            var found = await CompareAsync(server, text.ToString(), differences);
            Assert.True(found.Length == 0, string.Join("\n", found));
        });
    }

    private static async Task<string[]> CompareAsync(IPEndPoint server, string text, Differences differences)
    {
        // On a busy machine a server may not have come round to what it was asked: then it is asked again, and given time.
        var bytes = Heads.Bytes(text + Next);
        var wrong = Compare(await Opinion.AskAsync(server, bytes, TimeSpan.FromMilliseconds(40)), text, differences);
        return wrong.Length == 0 ? wrong : Compare(await Opinion.AskAsync(server, bytes, TimeSpan.FromSeconds(10)), text, differences);
    }

    private static string[] Compare(Opinion theirs, string text, Differences differences)
    {
        var ours = Opinion.Ours(Heads.Bytes(text + Next));
        var shown = string.Concat(text.Select(static c => c is '\r' ? "\\r" : c is '\n' ? "\\n" : c is < ' ' or > '~' ? $"\\x{(int)c:x2}" : c.ToString()));
        for (var i = 0; i < Math.Min(ours.Requests.Count, theirs.Requests.Count); i++)
        {
            if (ours.Requests[i] != theirs.Requests[i])
            {
                return [$"{shown}\n  is to us:   {ours.Requests[i]}\n  is to them: {theirs.Requests[i]}"];
            }
        }

        var isExplained = ours.Requests.Count < theirs.Requests.Count ? differences.AreWeKnownToRefuse(ours.Reason.Length > 0 ? ours.Reason : Differences.WeHaveClosed)
            : ours.Requests.Count == theirs.Requests.Count || differences.AreTheyKnownToRefuse(ours.Requests[theirs.Requests.Count], text);
        return isExplained ? [] : [$"{shown}\n  is {ours.Requests.Count} to us ({ours.Reason}), {theirs.Requests.Count} to them ({theirs.Reason})"];
    }

    private static void Damage(Random random, StringBuilder text)
    {
        var at = random.Next(text.Length + 1);
        switch (random.Next(4))
        {
            case 0 when at < text.Length:
                text.Remove(at, Math.Min(random.Next(1, 4), text.Length - at));
                break;
            case 1 when at < text.Length:
                text[at] = (char)random.Next(256);
                break;
            case 2 when at < text.Length:
                text.Insert(random.Next(text.Length), text.ToString(at, random.Next(text.Length - at)));
                break;
            default:
                text.Insert(at, s_odd[random.Next(s_odd.Length)]);
                break;
        }
    }
}
