using System.Collections.Immutable;
using Ambient.Hbone.Messages;
using Ambient.Http;

namespace Ambient.Node.Requests;

/// <summary>Runs an embedder's filters over a request or its answer, and holds them to what they may change.</summary>
internal static class RequestFilters
{
    /// <summary>Over a request that is about to be sent. False: it was answered.</summary>
    public static async ValueTask<bool> RunOnRequestAsync(RequestExchange exchange, ImmutableArray<MeshRequestFilter> filters)
    {
        var context = exchange.Context ??= new MeshRequestContext(exchange);
        context.Begin(exchange.Server);
        foreach (var filter in filters)
        {
            var head = exchange.Head;
            var framing = (head.HasBody, head.ContentLength);
            var fixedParts = (head.Method, head.Version, head.Upgrade, head.ExpectsContinue);
            string? fault;
            try
            {
                await filter.OnRequestAsync(context).ConfigureAwait(false);
                fault = fixedParts != (head.Method, head.Version, head.Upgrade, head.ExpectsContinue) ? "it changed the method, or what frames the request"
                    : framing != (head.HasBody, head.ContentLength) && context.Held is not { IsWhole: true } ? "it changed the length and not the body"
                    : !HttpSyntax.IsAuthority(head.Authority) || !HttpSyntax.IsTarget(head.Target) ? "it made a host or path that no request may have"
                    : null;
            }
#pragma warning disable CA1031 // Whatever an embedder's code throws ends the request it was about, and no other.
            catch (Exception e) when (e is not MessageException || exchange.Server.Fault == MessageFault.None)
#pragma warning restore CA1031
            {
                fault = e.Message;
            }

            if (fault is not null || context.Status != 0)
            {
                return await AnswerAsync(exchange, context, filter, fault).ConfigureAwait(false);
            }
        }

        exchange.HeldRequest = context.Held;
        return true;
    }

    /// <summary>Over an answer that is about to be sent. False: it was answered otherwise.</summary>
    public static async ValueTask<bool> RunOnResponseAsync(RequestExchange exchange, ClientExchange client, ImmutableArray<MeshRequestFilter> filters)
    {
        var context = exchange.Context ??= new MeshRequestContext(exchange);
        context.Begin(client);
        foreach (var filter in filters)
        {
            var head = exchange.Server.Response;
            var framing = (head.HasBody, head.ContentLength);
            var upgrade = head.Upgrade;
            var bodiless = head.Status is 204 or 304;
            string? fault;
            try
            {
                await filter.OnResponseAsync(context).ConfigureAwait(false);
                fault = upgrade != head.Upgrade || (upgrade is null && head.Status is < 200 or > 599) || bodiless != head.Status is 204 or 304
                        ? "it made a status that this answer cannot have"
                    : framing != (head.HasBody, head.ContentLength) && context.Held is not { IsWhole: true } ? "it changed the length and not the body"
                    : null;
            }
#pragma warning disable CA1031 // Whatever an embedder's code throws ends the request it was about, and no other.
            catch (Exception e) when (e is not MessageException)
#pragma warning restore CA1031
            {
                fault = e.Message;
            }

            if (fault is not null || context.Status != 0)
            {
                return await AnswerAsync(exchange, context, filter, fault).ConfigureAwait(false);
            }
        }

        exchange.Status = exchange.Server.Response.Status;
        exchange.HeldResponse = context.Held;
        return true;
    }

    private static async ValueTask<bool> AnswerAsync(RequestExchange exchange, MeshRequestContext context, MeshRequestFilter filter, string? fault)
    {
        if (fault is not null)
        {
            exchange.Error = $"request filter {filter.GetType().Name} failed: {fault}";
        }

        await LocalReply.SendAsync(exchange, fault is null ? context.Status : 500, fault is null ? context.Body! : "").ConfigureAwait(false);
        return false;
    }
}
