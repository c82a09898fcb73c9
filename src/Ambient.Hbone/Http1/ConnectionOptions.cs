using System.Text;
using Ambient.Http;

namespace Ambient.Hbone.Http1;

/// <summary>
/// What <c>Connection</c> says (RFC 9110 section 7.6.1): options of the connection, and fields that are for its other end only. Those are removed
/// before anybody looks at the head, so that nobody decides on what the next one does not get.
/// </summary>
/// <param name="maxNames">Most names of fields.</param>
internal sealed class ConnectionOptions(int maxNames)
{
    // Fields that are for every recipient, which the section forbids naming, and those that proxies of the mesh write or rely on.
    private static readonly HashSet<string>.AlternateLookup<ReadOnlySpan<char>> s_endToEnd = new HashSet<string>(StringComparer.OrdinalIgnoreCase)
    {
        "host", "content-length", "content-type", "content-encoding", "transfer-encoding", "authorization", "proxy-authorization", "cookie", "cache-control",
        "forwarded", "via", "x-request-id", "traceparent", "tracestate", "baggage", "b3", "user-agent", "origin", "expect",
    }.GetAlternateLookup<ReadOnlySpan<char>>();

    private static readonly string[] s_endToEndPrefixes = ["x-forwarded-", "x-envoy-", "x-b3-", "x-real-", "grpc-"];

    private readonly HttpFields _named = new();

    /// <summary>Whether the connection ends after the message.</summary>
    public bool Closes { get; private set; }

    /// <summary>Whether it goes on although the message is HTTP/1.0.</summary>
    public bool KeepsAlive { get; private set; }

    /// <summary>Whether <c>Upgrade</c> is meant (RFC 9110 section 7.8).</summary>
    public bool NamesUpgrade { get; private set; }

    /// <summary>A field that is named although it is for every recipient; null: there is none.</summary>
    public string? EndToEnd { get; private set; }

    /// <summary>Takes one value of <c>Connection</c>.</summary>
    /// <exception cref="Http1Exception">It is not a list of tokens, or names more fields than a head may have.</exception>
    public void Take(ReadOnlySpan<byte> value)
    {
        // There is one as a rule, of a few letters.
        for (var (start, end) = (0, 0); end < value.Length; start = ++end)
        {
            while (end < value.Length && value[end] != ',')
            {
                end++;
            }

            var option = FieldLine.TrimBlanks(value[start..end]);
            if (!option.IsEmpty)
            {
                TakeOption(option);
            }
        }
    }

    /// <summary>Removes the fields that are named from a head.</summary>
    public void RemoveNamed(HttpFields fields)
    {
        for (var i = 0; i < _named.Count; i++)
        {
            fields.Remove(_named[i].Name);
        }
    }

    /// <summary>Forgets everything.</summary>
    public void Reset()
    {
        (Closes, KeepsAlive, NamesUpgrade, EndToEnd) = (false, false, false, null);
        _named.Clear();
    }

    private static bool IsEndToEnd(ReadOnlySpan<byte> name)
    {
        // Longer than any name in the list; a prefix of such a one is enough to look at.
        Span<char> text = stackalloc char[24];
        var count = Encoding.ASCII.GetChars(name[..Math.Min(name.Length, text.Length)], text);
        text = text[..count];
        if (s_endToEnd.Contains(text))
        {
            return true;
        }

        foreach (var prefix in s_endToEndPrefixes)
        {
            if (text.StartsWith(prefix, StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }

    private void TakeOption(ReadOnlySpan<byte> option)
    {
        if (TokenBytes.AreEqual(option, "close"u8))
        {
            Closes = true;
            return;
        }

        switch (FieldKinds.Of(option))
        {
            case FieldKind.KeepAlive:
                KeepsAlive = true;
                break;
            case FieldKind.Upgrade:
                NamesUpgrade = true;
                break;
            case FieldKind.Te or FieldKind.Http2Settings or FieldKind.ProxyConnection or FieldKind.Connection:
                // Gone whether they are named or not.
                break;
            default:
                TakeName(option);
                break;
        }
    }

    private void TakeName(ReadOnlySpan<byte> name)
    {
        if (!HttpSyntax.IsToken(name))
        {
            throw new Http1Exception(400, "Connection is not a list of tokens");
        }

        if (IsEndToEnd(name))
        {
            EndToEnd ??= Encoding.ASCII.GetString(name);
        }
        else if (_named.Count == maxNames)
        {
            throw new Http1Exception(431, $"Connection names more than {maxNames} fields");
        }
        else
        {
            _named.Add(name, default);
        }
    }
}
