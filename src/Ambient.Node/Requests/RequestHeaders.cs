using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace Ambient.Node.Requests;

/// <summary>Copies a request's headers to the request that is sent on.</summary>
internal static class RequestHeaders
{
    /// <summary>Copies what is not hop-by-hop, not among the fields that <c>Connection</c> names, and not dropped by the rules.</summary>
    public static void Copy(HttpRequest from, HttpRequestMessage to, HeaderRules rules, in RequestArrival arrival, string[]? named)
    {
        foreach (var (name, values) in from.Headers)
        {
            if (name.Length == 0 || name[0] == ':' || HeaderRules.IsHopByHop(name) || rules.Drops(name, arrival)
                || RequestForm.Names(named, name))
            {
                continue;
            }

            Add(to, name, values);
        }

        if (HttpProtocol.IsHttp2(from.Protocol) && from.Headers.TryGetValue(HeaderNames.TE, out var te)
            && te.ToString().Contains("trailers", StringComparison.OrdinalIgnoreCase))
        {
            to.Headers.TryAddWithoutValidation(HeaderNames.TE, "trailers");
        }

        if (from.Headers.ContainsKey(HeaderNames.TransferEncoding))
        {
            // RFC 9112 6.3: transfer-encoding wins; passing both on is how requests are smuggled.
            to.Content?.Headers.Remove(HeaderNames.ContentLength);
        }
    }

    private static void Add(HttpRequestMessage to, string name, StringValues values)
    {
        if (values.Count == 1)
        {
            var value = values[0];
            if (!to.Headers.TryAddWithoutValidation(name, value))
            {
                (to.Content ??= new NoContent()).Headers.TryAddWithoutValidation(name, value);
            }
        }
        else if (!to.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values))
        {
            (to.Content ??= new NoContent()).Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values);
        }
    }

    /// <summary>Holds content headers (<c>content-type</c> on a GET, say) of a request without a body.</summary>
    private sealed class NoContent : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => Task.CompletedTask;

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return true;
        }
    }
}
