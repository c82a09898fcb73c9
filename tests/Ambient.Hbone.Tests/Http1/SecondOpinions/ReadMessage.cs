using System.Text;
using System.Text.Json;
using Ambient.Hbone.Http1;
using Ambient.Http;

namespace Ambient.Hbone.Tests.Http1.SecondOpinions;

/// <summary>One request as a server has read it, in a form in which readings can be compared.</summary>
/// <param name="Method">Method.</param>
/// <param name="Target">Path and query, or what stands for them.</param>
/// <param name="Authority">Host and port.</param>
/// <param name="Fields">Fields that are neither of the connection nor of framing, sorted, as names may be grouped.</param>
/// <param name="Body">Body, in hexadecimal.</param>
/// <param name="Trailers">Trailers, sorted, without empty ones, which Kestrel drops.</param>
internal sealed record ReadMessage(string Method, string Target, string Authority, string Fields, string Body, string Trailers)
{
    /// <summary>As another server says it.</summary>
    public static ReadMessage Parse(ReadOnlySpan<byte> json)
    {
        var root = JsonDocument.Parse(json.ToArray()).RootElement;
        var pairs = Pairs(root.GetProperty("fields"));
        var (target, authority) = (root.GetProperty("target").GetString()!, "");
        foreach (var (name, value) in pairs)
        {
            authority = name == "host" ? value : authority;
        }

        // A target in absolute form, which we take apart.
        var scheme = target.IndexOf("://", StringComparison.Ordinal);
        if (scheme is 4 or 5 && target.StartsWith("http", StringComparison.OrdinalIgnoreCase))
        {
            var end = target.AsSpan(scheme + 3).IndexOfAny('/', '?');
            authority = end < 0 ? target[(scheme + 3)..] : target.Substring(scheme + 3, end);
            target = end < 0 ? "/" : target[(scheme + 3 + end)..];
            target = target.StartsWith('/') ? target : $"/{target}";
        }

        return new ReadMessage(
            root.GetProperty("method").GetString()!, target, authority, Describe(pairs), root.GetProperty("body").GetString()!, Describe(Pairs(root.GetProperty("trailers"), withEmpty: false)));
    }

    /// <summary>As we have read it.</summary>
    public static ReadMessage Of(RequestHead head, byte[] body, HttpFields trailers) => new(
        head.Method, head.Method == "CONNECT" ? head.Authority : head.Target, head.Authority, Describe(Pairs(head.Fields)), Convert.ToHexStringLower(body), Describe(Pairs(trailers, withEmpty: false)));

    private static List<(string Name, string Value)> Pairs(HttpFields fields, bool withEmpty = true) =>
        [.. Enumerable.Range(0, fields.Count).Select(i => (fields[i].NameText, fields[i].ValueText)).Where(p => withEmpty || p.ValueText.Length > 0)];

    private static List<(string Name, string Value)> Pairs(JsonElement list, bool withEmpty = true)
    {
        var all = list.EnumerateArray().Select(static e => e.GetString()!).ToArray();
        return [.. Enumerable.Range(0, all.Length / 2).Select(i => (Name: all[2 * i].ToLowerInvariant(), Value: all[(2 * i) + 1])).Where(p => withEmpty || p.Value.Length > 0)];
    }

    private static string Describe(List<(string Name, string Value)> pairs)
    {
        var named = pairs.Where(static p => p.Name == "connection").SelectMany(static p => p.Value.Split(',')).Select(static n => n.Trim(' ', '\t').ToLowerInvariant()).ToHashSet();
        return string.Join('|', pairs.Where(p => FieldKinds.Of(Encoding.Latin1.GetBytes(p.Name)) is FieldKind.Ordinary or FieldKind.Expect && !named.Contains(p.Name))
            .Select(static p => $"{p.Name}:{p.Value}").Order(StringComparer.Ordinal));
    }
}
