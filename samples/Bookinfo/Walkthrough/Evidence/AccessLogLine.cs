using System.Text;

namespace Ambient.Samples.Bookinfo.Walkthrough.Evidence;

/// <summary>One line of a ztunnel's access log: <c>time, level, access, message, key=value ...</c>, tabs between the parts.</summary>
internal sealed class AccessLogLine
{
    private static readonly string[] s_brief =
        ["src.workload", "src.identity", "dst.workload", "dst.identity", "dst.addr", "error"];

    private readonly Dictionary<string, string> _fields;

    private AccessLogLine(string text, string level, string message, Dictionary<string, string> fields)
    {
        Text = text;
        Level = level;
        Message = message;
        _fields = fields;
    }

    /// <summary>The line as it was written.</summary>
    public string Text { get; }

    /// <summary>Level: <c>info</c>, <c>warn</c> or <c>error</c>.</summary>
    public string Level { get; }

    /// <summary>Message: <c>connection complete</c> and its kin.</summary>
    public string Message { get; }

    /// <summary>A field's value without its quotes, or null when the line does not have it.</summary>
    public string? this[string name] => _fields.GetValueOrDefault(name);

    /// <summary>Whether both sides are authenticated.</summary>
    public bool HasIdentities => this["src.identity"] is not null && this["dst.identity"] is not null;

    /// <summary>The parts that an operator compares, without times and addresses.</summary>
    public string Brief => string.Join(' ', [this["direction"] ?? "", .. s_brief.Where(_fields.ContainsKey).Select(name => $"{name}={_fields[name]}")]);

    /// <summary>Reads a line; null when it is not a line of the access log.</summary>
    public static AccessLogLine? Parse(string text)
    {
        var parts = text.Split('\t', 5);
        if (parts.Length < 4 || parts[2].Split(':')[0] != "access")
        {
            return null;
        }

        return new AccessLogLine(text, parts[1].Trim(), parts[3], ParseFields(parts.Length > 4 ? parts[4] : ""));
    }

    private static Dictionary<string, string> ParseFields(string text)
    {
        var fields = new Dictionary<string, string>(StringComparer.Ordinal);
        var at = 0;
        while (at < text.Length)
        {
            var equals = text.IndexOf('=', at);
            if (equals < 0)
            {
                break;
            }

            var name = text[at..equals].Trim();
            at = equals + 1;
            fields[name] = at < text.Length && text[at] == '"' ? ReadQuoted(text, ref at) : ReadBare(text, ref at);
        }

        return fields;
    }

    private static string ReadBare(string text, ref int at)
    {
        var end = text.IndexOf(' ', at);
        end = end < 0 ? text.Length : end;
        var value = text[at..end];
        at = end + 1;
        return value;
    }

    private static string ReadQuoted(string text, ref int at)
    {
        var value = new StringBuilder();
        for (at++; at < text.Length && text[at] != '"'; at++)
        {
            if (text[at] == '\\' && at + 1 < text.Length)
            {
                at++;
            }

            value.Append(text[at]);
        }

        at += 2;
        return value.ToString();
    }
}
