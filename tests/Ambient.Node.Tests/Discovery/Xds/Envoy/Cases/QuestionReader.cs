using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy.Cases;

/// <summary>
/// Reads questions: a line for each, clauses with bars between them. First what is said (<c>GET /path</c>, <c>CALL package.Service/Method</c> of gRPC, or <c>BYTES text</c>), then to whom and as whom, then
/// what must come of it: <c>=&gt;</c> and the services that are reached, or the status of an answer that nobody else has given, or <c>closed</c>. Clauses after it are about what was seen there and told to the client.
/// <list type="table">
/// <item><term><c>of b:5000</c></term><description>to the service <c>b</c>, or <c>namespace/name</c>, or an address; <c>gateway 443</c>: to the gateway</description></item>
/// <item><term><c>as other/d</c></term><description>by whom; <c>from</c>: by which address; <c>for</c>: which host; <c>with</c>: a field; <c>containing</c>: a body; <c>tls name certificate</c>: in TLS, and what the client shows</description></item>
/// <item><term><c>=&gt; authz a answered 403</c></term><description>who is reached, copies and retries too, and the status where it is not 200; <c>rarely</c>: it need not happen</description></item>
/// <item><term><c>seen name: value</c></term><description>what an endpoint sees; <c>!name</c>: does not; <c>seen as /path</c>; in parentheses what is not a field (<c>(tunnel)</c>, <c>(tls)</c>, <c>(version)</c>)</description></item>
/// <item><term><c>told name: value</c></term><description>what the client is told; <c>reading text</c>: the body</description></item>
/// <item><term><c>times 100</c></term><description>said so often; <c>only a-0</c>: reaching these pods; <c>split a-0 70 a-1 30</c>: in these shares; <c>sticky</c>: one pod alone, the same from either source; <c>varying name</c>: with a field that is another one each time</description></item>
/// <item><term><c>loosely</c></term><description>the texts of answers may differ</description></item>
/// <item><term><c>recorded =&gt; closed</c></term><description>what comes of it by istiod's configuration, where that is something else</description></item>
/// </list>
/// </summary>
internal static partial class QuestionReader
{
    /// <summary>The questions of a text, by case: <c>##</c> and the name stands before those of each. Other lines that begin with <c>#</c> are comments.</summary>
    public static Dictionary<string, ImmutableArray<Question>> Read(TextReader text)
    {
        var all = new Dictionary<string, ImmutableArray<Question>>(StringComparer.Ordinal);
        var name = "";
        while (text.ReadLine() is { } line)
        {
            if (line.StartsWith("## ", StringComparison.Ordinal))
            {
                all.Add(name = line[3..].Trim(), []);
            }
            else if (line.Trim().Length > 0 && line[0] != '#')
            {
                all[name] = all[name].Add(ReadLine(line));
            }
        }

        return all;
    }

    private static Question ReadLine(string line)
    {
        var clauses = line.Split(" | ").Select(static clause => clause.Trim()).ToArray();
        var question = Begin(clauses[0]) with { Line = line };
        for (var i = 1; i < clauses.Length; i++)
        {
            var (word, rest) = Cut(Tokens().Replace(clauses[i], static match => TokenOf(match.Groups[1].Value)));
            question = word is "=>" or "seen" or "told" or "reading" ? question with { Expected = Expect(question.Expected, word, rest) }
                : word == "recorded" ? question with { ByRecording = Expect(question.ByRecording, Cut(rest).Word, Cut(rest).Tail) }
                : Ask(question, word, rest);
        }

        return question.Expected.IsEmpty ? throw new FormatException($"nothing is expected: {line}") : question;
    }

    private static Question Begin(string clause)
    {
        var (word, rest) = Cut(Tokens().Replace(clause, static match => TokenOf(match.Groups[1].Value)));
        return word switch
        {
            "CALL" => new Question { Speech = Speech.Grpc, Method = "POST", Said = $"/{rest}", Port = 9000 },
            "BYTES" => new Question { Speech = Speech.Bytes, Said = rest.Length == 0 ? "" : $"{rest}\n" },
            _ => new Question { Method = word, Said = rest },
        };
    }

    private static Question Ask(Question question, string word, string rest)
    {
        switch (word)
        {
            case "of":
                var at = rest.LastIndexOf(':');
                var hasPort = at > 0 && (rest.IndexOf(':') == at || rest[at - 1] == ']');
                return question with { To = (hasPort ? rest[..at] : rest).Trim('[', ']'), Port = hasPort ? Number(rest[(at + 1)..]) : question.Port };
            case "gateway":
                return question with { AtGateway = true, Port = Number(rest) };
            case "as":
                return question with { Caller = rest };
            case "from":
                return question with { Source = rest };
            case "for":
                return question with { Host = rest };
            case "with":
                return question with { Fields = question.Fields.Add(Field(rest)) };
            case "containing":
                return question with { Content = rest };
            case "http2":
                return question with { Speech = Speech.Http2 };
            case "tls":
                var (name, proof) = Cut(rest);
                return question with { ServerName = name, Proof = proof.Length == 0 ? ClientProof.None : Enum.Parse<ClientProof>(proof, ignoreCase: true) };
            case "times":
                return question with { Tries = Number(rest) };
            case "varying":
                return question with { Varied = rest };
            case "only":
                return question with { Pods = [.. rest.Split(' ')] };
            case "split":
                var shares = rest.Split(' ').Chunk(2).ToArray();
                return question with { Pods = [.. shares.Select(share => share[0])], Shares = [.. shares.Select(share => Number(share[1]))] };
            case "loosely":
                return question with { IsLoose = true };
            case "sticky":
                return question with { IsSticky = true };
            default:
                throw new FormatException($"{word}: no such clause");
        }
    }

    private static ImmutableArray<Expected> Expect(ImmutableArray<Expected> before, string word, string rest)
    {
        if (word == "=>")
        {
            return before.Add(Outcome(rest));
        }

        var last = before[^1];
        return before.SetItem(before.Length - 1, word switch
        {
            "seen" when rest.StartsWith("as ", StringComparison.Ordinal) => last with { Target = rest[3..] },
            "seen" => last with { Seen = last.Seen.Add(rest) },
            "told" => last with { Told = last.Told.Add(rest) },
            "reading" => last with { Text = rest },
            _ => throw new FormatException($"{word}: no such clause of an expectation"),
        });
    }

    private static Expected Outcome(string text)
    {
        if (text == "closed")
        {
            return new Expected { Status = 0 };
        }

        var words = text.Split(' ').ToList();
        var isRare = words.Remove("rarely");
        var answered = words.IndexOf("answered");
        var status = answered >= 0 ? Number(words[answered + 1]) : 200;
        if (answered >= 0)
        {
            words.RemoveRange(answered, 2);
        }

        return words is [var only] && int.TryParse(only, CultureInfo.InvariantCulture, out var refusal)
            ? new Expected { Status = refusal, IsRare = isRare }
            : new Expected { Status = status, Reached = [.. words], IsRare = isRare };
    }

    private static (string Word, string Tail) Cut(string text)
    {
        var space = text.IndexOf(' ');
        return space < 0 ? (text, "") : (text[..space], text[(space + 1)..].Trim());
    }

    private static (string Name, string Value) Field(string text)
    {
        var colon = text.IndexOf(": ", StringComparison.Ordinal);
        return (text[..colon], text[(colon + 2)..]);
    }

    private static int Number(string text) => int.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);

    /// <summary>A token: its issuer, then <c>sub</c>, <c>aud</c> and <c>forged</c> where they matter.</summary>
    private static string TokenOf(string text)
    {
        var words = text.Split(' ');
        return CaseTokens.Of(words[0], Said("sub", "alice"), Said("aud", "a1"), words.Contains("forged"));

        string Said(string name, string otherwise) => Array.IndexOf(words, name) is >= 0 and var at ? words[at + 1] : otherwise;
    }

    [GeneratedRegex(@"\{token ([^}]*)\}")]
    private static partial Regex Tokens();
}
