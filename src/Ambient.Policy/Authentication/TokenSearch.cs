using System.Buffers;
using System.Collections.Immutable;
using System.Globalization;
using Ambient.Mesh;

namespace Ambient.Policy.Authentication;

/// <summary>Finds tokens in a request, and takes them out.</summary>
public static class TokenSearch
{
    private static readonly SearchValues<char> s_ofTokens = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.");

    /// <summary>A query without a parameter, however its name is written.</summary>
    /// <param name="query">The query, without the question mark.</param>
    /// <param name="name">Name of the parameter.</param>
    public static string WithoutParameter(string query, string name)
    {
        ArgumentNullException.ThrowIfNull(query);
        ArgumentNullException.ThrowIfNull(name);
        var kept = new List<string>();
        foreach (var pair in query.Split('&'))
        {
            if (!IsNamed(pair, name, out _))
            {
                kept.Add(pair);
            }
        }

        return string.Join('&', kept);
    }

    internal static void Find(TokenLocation location, int rule, string query, Func<string, string?> header, ref ImmutableArray<FoundToken>.Builder? found)
    {
        switch (location.Part)
        {
            case TokenPart.Header:
                if (header(location.Name) is { Length: > 0 } value && InHeader(value, location.Prefix) is { } token)
                {
                    Add(new FoundToken(rule, location, token), ref found);
                }

                break;
            case TokenPart.Parameter:
                foreach (var range in query.AsSpan().Split('&'))
                {
                    if (IsNamed(query.AsSpan(range), location.Name, out var parameter))
                    {
                        Add(new FoundToken(rule, location, parameter), ref found);
                    }
                }

                break;
            default:
                FindCookies(location, rule, header("cookie"), ref found);
                break;
        }
    }

    private static void Add(FoundToken token, ref ImmutableArray<FoundToken>.Builder? found)
    {
        found ??= ImmutableArray.CreateBuilder<FoundToken>();
        if (found.Count <= FoundTokens.MaxTokens)
        {
            found.Add(token);
        }
    }

    /// <summary>
    /// What stands behind the prefix, wherever that is, from the first character that a token may have; the value as it is where none follows. Null:
    /// without the prefix it is something else, and somebody else's.
    /// </summary>
    private static string? InHeader(string value, string prefix)
    {
        if (prefix.Length == 0)
        {
            return value;
        }

        var at = value.IndexOf(prefix, StringComparison.Ordinal);
        if (at < 0)
        {
            return null;
        }

        var start = value.AsSpan(at + prefix.Length).IndexOfAny(s_ofTokens);
        return start < 0 ? value : value[(at + prefix.Length + start)..];
    }

    private static void FindCookies(TokenLocation location, int rule, string? cookies, ref ImmutableArray<FoundToken>.Builder? found)
    {
        // Several headers are joined with commas, which a cookie's value has none of (RFC 6265 section 4.1.1).
        foreach (var range in cookies.AsSpan().SplitAny(';', ','))
        {
            var pair = cookies.AsSpan()[range].Trim();
            var equals = pair.IndexOf('=');
            if (equals > 0 && pair[..equals].TrimEnd().SequenceEqual(location.Name))
            {
                Add(new FoundToken(rule, location, pair[(equals + 1)..].Trim().Trim('"').ToString()), ref found);
            }
        }
    }

    private static bool IsNamed(ReadOnlySpan<char> pair, string name, out string value)
    {
        value = "";
        var equals = pair.IndexOf('=');
        var written = equals < 0 ? pair : pair[..equals];
        if (!written.SequenceEqual(name) && !(written.ContainsAny('%', '+') && Unescaped(written) == name))
        {
            return false;
        }

        value = equals < 0 ? "" : Unescaped(pair[(equals + 1)..]);
        return true;
    }

    private static string Unescaped(ReadOnlySpan<char> text)
    {
        if (!text.ContainsAny('%', '+'))
        {
            return text.ToString();
        }

        var (plain, written) = (new char[text.Length], 0);
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i] == '+' ? ' ' : text[i];
            if (c == '%' && i + 2 < text.Length && byte.TryParse(text.Slice(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code))
            {
                (c, i) = ((char)code, i + 2);
            }

            plain[written++] = c;
        }

        return new string(plain, 0, written);
    }
}
