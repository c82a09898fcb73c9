using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Ambient.Http;

namespace Ambient.Node.Requests.Forwarding;

/// <summary>
/// A WebSocket's handshake where client and endpoint speak different versions of HTTP: HTTP/1.1 proves with a key that the server understood (RFC 6455
/// section 1.3), HTTP/2 has no such fields (RFC 8441 section 5).
/// </summary>
internal readonly record struct WebSocketHandshake
{
    private const string Key = "sec-websocket-key";
    private const string Accept = "sec-websocket-accept";

    private string? ClientKey { get; init; }

    private bool IsTranslated { get; init; }

    /// <summary>Makes of the client's request the one that the endpoint understands. For each try anew: what an earlier one took out of the head is put back.</summary>
    /// <param name="exchange">The request.</param>
    /// <param name="toHttp2">Whether the endpoint speaks HTTP/2.</param>
    public static WebSocketHandshake Begin(RequestExchange exchange, bool toHttp2)
    {
        var clientKey = exchange.SocketKey;
        var socket = Begin(exchange.Head, ref clientKey, toHttp2);
        exchange.SocketKey = clientKey;
        return socket;
    }

    /// <summary>The same of a head alone.</summary>
    /// <param name="head">The request.</param>
    /// <param name="clientKey">The client's own key, from the first try that takes it out of the head; null until then.</param>
    /// <param name="toHttp2">Whether the endpoint speaks HTTP/2.</param>
    public static WebSocketHandshake Begin(RequestHead head, ref string? clientKey, bool toHttp2)
    {
        var fromHttp2 = head.Version == HttpProtocolVersion.Http2;
        if (!"websocket".Equals(head.Upgrade, StringComparison.OrdinalIgnoreCase))
        {
            return default;
        }

        if (fromHttp2 == toHttp2)
        {
            if (toHttp2)
            {
                // An earlier try may have made one up.
                head.Fields.Remove(Key);
            }
            else if (clientKey is not null)
            {
                head.Fields.Set(Key, clientKey);
            }

            return default;
        }

        if (toHttp2)
        {
            clientKey ??= head.Fields.Get(Key);
            head.Fields.Remove(Key);
            return new WebSocketHandshake { ClientKey = clientKey, IsTranslated = true };
        }

        Span<byte> nonce = stackalloc byte[16];
        Random.Shared.NextBytes(nonce);
        head.Fields.Set(Key, Convert.ToBase64String(nonce));
        return new WebSocketHandshake { IsTranslated = true };
    }

    /// <summary>Makes of the endpoint's answer the one that the client understands.</summary>
    public void Complete(ResponseHead response, HttpProtocolVersion client)
    {
        response.Status = client == HttpProtocolVersion.Http2 ? 200 : 101;
        if (!IsTranslated)
        {
            return;
        }

        if (client == HttpProtocolVersion.Http2)
        {
            response.Fields.Remove(Accept);
        }
        else if (ClientKey is { } key)
        {
            response.Fields.Set(Accept, AcceptOf(key));
        }
    }

    [SuppressMessage("Security", "CA5350", Justification = "RFC 6455 section 4.2.2 says so; it protects nothing.")]
    private static string AcceptOf(string key) =>
        Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
}
