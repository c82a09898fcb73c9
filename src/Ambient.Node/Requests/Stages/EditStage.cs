using Ambient.Http;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Requests.Stages;

/// <summary>
/// Admits what was judged, and makes of it what is sent: what the proxy says itself, then what the route changes. A change of the mesh that came
/// meanwhile, and would not let the request in, is heeded here.
/// </summary>
internal sealed class EditStage : RequestStage
{
    /// <inheritdoc/>
    public override ValueTask<bool> RunAsync(RequestExchange exchange)
    {
        if (!exchange.Admit())
        {
            return ReplyAsync(exchange, 403, LocalReply.AccessDenied, ResponseFlags.None);
        }

        var head = exchange.Head;
        exchange.Services.Entrance.Headers.Apply(head, exchange.Arrival);
        exchange.NoteRequestId();
        var path = exchange.Path;
        if (exchange.Route is { } route)
        {
            try
            {
                HeaderEdits.Apply(head, route.RequestHeaders);
            }
            catch (ArgumentException e)
            {
                return RefuseAsync(exchange, e.Message);
            }

            if (route.Host is { } host && host != head.Authority && exchange.ProxyHeaders.ForwardedHost == true)
            {
                head.Fields.Set("x-forwarded-host", head.Fields.Get("x-forwarded-host") is { } earlier ? $"{earlier},{head.Authority}" : head.Authority);
            }

            head.Authority = route.Host ?? head.Authority;
            path = route.Path is null ? path : path with { Path = route.Path };
        }

        // As it was judged, however it was written.
        var target = Says(head.Target, path) ? head.Target : path.Target;
        if (exchange.Route is not null && (!HttpSyntax.IsAuthority(head.Authority) || !HttpSyntax.IsTarget(target)))
        {
            return RefuseAsync(exchange, "it asks for a host or path that no request may have");
        }

        head.Target = target;
        return new(true);
    }

    // Most targets are written as they are judged, and need not be put together again.
    private static bool Says(ReadOnlySpan<char> target, RequestPath path) => path.Query.Length == 0
        ? target.SequenceEqual(path.Path)
        : target.Length == path.Path.Length + 1 + path.Query.Length && target.StartsWith(path.Path) && target[path.Path.Length] == '?' && target.EndsWith(path.Query);

    private static ValueTask<bool> RefuseAsync(RequestExchange exchange, string reason)
    {
        exchange.Error = $"route {exchange.Route?.Rule} cannot be followed: {reason}";
        return ReplyAsync(exchange, 500, "", ResponseFlags.None);
    }
}
