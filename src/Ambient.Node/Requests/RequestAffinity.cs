using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Net;
using System.Text;
using Ambient.Http;
using Ambient.Mesh;
using Ambient.Node.Requests.Upstreams;
using Ambient.Node.Requests.Upstreams.Balancing;

namespace Ambient.Node.Requests;

/// <summary>
/// What binds a request to an endpoint: a property of it that hashes to one (<see cref="ConsistentHash"/>), or the endpoint that its client was told of
/// (<see cref="SessionPersistence"/>). What a client is told is the endpoint's address in Base64, as Envoy has it. It is no secret and needs no signature:
/// whatever a client says, it reaches an endpoint of the same backend or is not heeded.
/// </summary>
internal struct RequestAffinity
{
    // An IPv6 address with scope and port, and room.
    private const int LongestAddress = 80;

    private SessionPersistence? _session;
    private ConsistentHash? _cookie;
    private string? _cookieValue;

    /// <summary>What the request hashes to; null: nothing, or it is not asked.</summary>
    public ulong? Hash { get; private set; }

    /// <summary>The endpoint that its client stays with; null: none.</summary>
    public IPEndPoint? Pinned { get; private set; }

    /// <summary>Whether a backend, or the request's rule, has its requests bound at all: else its affinity is the empty one.</summary>
    /// <param name="exchange">The request.</param>
    /// <param name="view">The backend.</param>
    public static bool IsAsked(RequestExchange exchange, BackendView view) => view.Policy.Balancer.ConsistentHash is not null || (exchange.Plan.Session ?? view.Session) is not null;

    /// <summary>Looks at a request.</summary>
    /// <param name="exchange">The request, as it is sent.</param>
    /// <param name="view">The backend.</param>
    public static RequestAffinity Of(RequestExchange exchange, BackendView view)
    {
        var affinity = default(RequestAffinity);
        if ((exchange.Plan.Session ?? view.Session) is { } session)
        {
            affinity._session = session;
            affinity.Pinned = session.IsCookie
                ? TryCookie(exchange.Head.Fields, session.Name, out var told) ? AddressOf(told) : null
                : exchange.Head.Fields.TryGet(session.Name, out told) ? AddressOf(told) : null;
        }

        if (view.Policy.Balancer.ConsistentHash is { } asked)
        {
            affinity.Hash = affinity.HashOf(exchange, asked);
        }

        return affinity;
    }

    /// <summary>Tells the client, where it was not told before.</summary>
    /// <param name="head">The answer.</param>
    /// <param name="endpoint">Who gave it.</param>
    public readonly void Apply(ResponseHead head, IPEndPoint endpoint)
    {
        if (_cookie is { } cookie)
        {
            head.Fields.Add("set-cookie", CookieText(cookie.Name, _cookieValue!, cookie.CookieLifetime, cookie.CookiePath, cookie.CookieAttributes.AsSpan()));
        }

        if (_session is not { } session || endpoint.Equals(Pinned))
        {
            return;
        }

        var address = Convert.ToBase64String(Encoding.ASCII.GetBytes(endpoint.ToString()));
        if (session.IsCookie)
        {
            head.Fields.Add("set-cookie", CookieText(session.Name, address, session.Lifetime, session.Path, []));
        }
        else
        {
            head.Fields.Set(session.Name, address);
        }
    }

    /// <summary>The value of a cookie; HTTP/2 may have several fields for them (RFC 9113 section 8.2.3).</summary>
    internal static bool TryCookie(HttpFields fields, string name, out ReadOnlySpan<byte> value)
    {
        for (var at = fields.IndexOf("cookie"); at >= 0; at = at + 1 < fields.Count ? fields.IndexOf("cookie", at + 1) : -1)
        {
            var rest = fields[at].Value;
            while (!rest.IsEmpty)
            {
                var end = rest.IndexOf((byte)';');
                var pair = (end < 0 ? rest : rest[..end]).Trim((byte)' ');
                rest = end < 0 ? default : rest[(end + 1)..];
                var equals = pair.IndexOf((byte)'=');
                if (equals > 0 && Is(pair[..equals], name))
                {
                    value = pair[(equals + 1)..].Trim((byte)'"');
                    return true;
                }
            }
        }

        value = default;
        return false;
    }

    private ulong? HashOf(RequestExchange exchange, ConsistentHash asked)
    {
        switch (asked.Source)
        {
            case HashSource.Header:
                return exchange.Head.Fields.TryGet(asked.Name, out var header) ? RequestHash.Of(header)
                    : asked.Name is "host" or ":authority" ? RequestHash.Of(exchange.Head.Authority.AsSpan())
                    : null;
            case HashSource.SourceAddress:
                return RequestHash.Of(exchange.Arrival.Source.Address);
            case HashSource.QueryParameter:
                return Parameter(exchange.Path.Query, asked.Name, out var value) ? RequestHash.Of(value) : null;
            default:
                if (TryCookie(exchange.Head.Fields, asked.Name, out var cookie))
                {
                    return RequestHash.Of(cookie);
                }

                if (asked.CookieLifetime is null)
                {
                    return null;
                }

                // The client is given one, and is bound to what it hashes to from this request on.
                Span<byte> text = stackalloc byte[16];
                Utf8Formatter.TryFormat((ulong)Random.Shared.NextInt64() ^ ((ulong)Random.Shared.NextInt64() << 1), text, out _, new StandardFormat('x', 16));
                (_cookie, _cookieValue) = (asked, Encoding.ASCII.GetString(text));
                return RequestHash.Of(text);
        }
    }

    private static bool Parameter(string query, string name, out ReadOnlySpan<char> value)
    {
        foreach (var range in query.AsSpan().Split('&'))
        {
            var pair = query.AsSpan(range);
            var equals = pair.IndexOf('=');
            if ((equals < 0 ? pair : pair[..equals]).SequenceEqual(name))
            {
                value = equals < 0 ? default : pair[(equals + 1)..];
                return true;
            }
        }

        value = default;
        return false;
    }

    private static IPEndPoint? AddressOf(ReadOnlySpan<byte> told)
    {
        Span<byte> bytes = stackalloc byte[LongestAddress];
        if (told.Length > LongestAddress || Base64.DecodeFromUtf8(told, bytes, out _, out var written) != OperationStatus.Done)
        {
            return null;
        }

        Span<char> text = stackalloc char[LongestAddress];
        return IPEndPoint.TryParse(text[..Encoding.ASCII.GetChars(bytes[..written], text)], out var address) && address.Port > 0 ? address : null;
    }

    private static string CookieText(string name, string value, TimeSpan? lifetime, string path, ReadOnlySpan<NamedValue> attributes)
    {
        var text = new StringBuilder($"{name}=\"{value}\"");
        if (lifetime > TimeSpan.Zero)
        {
            text.Append(CultureInfo.InvariantCulture, $"; Max-Age={(long)Math.Ceiling(lifetime.Value.TotalSeconds)}");
        }

        if (path.Length > 0)
        {
            text.Append("; Path=").Append(path);
        }

        foreach (ref readonly var attribute in attributes)
        {
            text.Append("; ").Append(attribute.Name);
            if (attribute.Value.Length > 0)
            {
                text.Append('=').Append(attribute.Value);
            }
        }

        return text.Append("; HttpOnly").ToString();
    }

    private static bool Is(ReadOnlySpan<byte> bytes, string text)
    {
        if (bytes.Length != text.Length)
        {
            return false;
        }

        for (var i = 0; i < bytes.Length; i++)
        {
            if (bytes[i] != text[i])
            {
                return false;
            }
        }

        return true;
    }
}
