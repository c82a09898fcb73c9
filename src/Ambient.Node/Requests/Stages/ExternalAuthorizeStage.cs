using System.Runtime.CompilerServices;
using Ambient.Hbone.Messages;
using Ambient.Hbone.Sockets;
using Ambient.Http;
using Ambient.Mesh;
using Ambient.Node.Requests.ExternalAuthorization;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Requests.Stages;

/// <summary>
/// Asks the external authorizer of the place about a request that a CUSTOM policy matches, before anything else is asked: tokens, DENY and ALLOW
/// policies see the request as the authorizer has left it.
/// </summary>
/// <param name="authorizers">Asks; null: nobody can be asked here.</param>
internal sealed class ExternalAuthorizeStage(AuthorizerClient? authorizers) : RequestStage
{
    private static readonly ResponseHead s_continue = new() { Status = 100 };

    /// <summary>Asks those of routes.</summary>
    public RouteAuthorizeStage OfRoutes { get; } = new(authorizers);

    /// <inheritdoc/>
    public override ValueTask<bool> RunAsync(RequestExchange exchange)
    {
        var policies = exchange.Arrival.Place!.Policies;
        exchange.Questioned = policies;
        var decision = RequestAuthorizer.Question(policies, exchange.PolicyFacts);
        return decision.Reason switch
        {
            AuthorizationReason.NoPolicy => new(true),
            AuthorizationReason.AsksExternalAuthorizer when authorizers is not null => AskAsync(exchange, policies.Authorizer!, decision, authorizers),
            _ => RefuseAsync(exchange, decision),
        };
    }

    /// <summary>Asks, and does what the answer says. False: the request is answered.</summary>
    /// <param name="exchange">The request.</param>
    /// <param name="authorizer">Who is asked.</param>
    /// <param name="question">Who wants that.</param>
    /// <param name="authorizers">Asks.</param>
    /// <param name="ofRoute">Whether a route wants it, which the request has by now; else a policy.</param>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    internal static async ValueTask<bool> AskAsync(
        RequestExchange exchange, ExternalAuthorizer authorizer, AuthorizationDecision question, AuthorizerClient authorizers, bool ofRoute = false)
    {
        var held = ReadOnlyMemory<byte>.Empty;
        bool? isPartial = null;
        if (authorizer.Body is { } wanted)
        {
            isPartial = false;
            if (exchange.Head is { HasBody: true, Upgrade: null } head)
            {
                // It is read on while it has no more than that.
                var body = await HoldAsync(exchange, ToldBody.Most(wanted) - 1, authorizers).ConfigureAwait(false);
                if (body is null)
                {
                    exchange.Error = $"its body did not come within {authorizers.BodyTimeout.TotalSeconds:0.#} s, which external authorizer {authorizer.Name} is to be asked about";
                    return await ReplyAsync(exchange, 408, LocalReply.RequestTimedOut, ResponseFlags.None).ConfigureAwait(false);
                }

                if (body.IsRefused)
                {
                    return await OverloadedAsync(exchange, authorizer, question, "too many bytes of bodies are held for external authorizers").ConfigureAwait(false);
                }

                if (ToldBody.Of(wanted, body.Bytes, body.IsWhole, head.ContentLength) is not { } told)
                {
                    return await ReplyAsync(exchange, 413, LocalReply.PayloadTooLarge, ResponseFlags.None).ConfigureAwait(false);
                }

                (held, isPartial) = (told.Bytes, told.IsPartial);
            }
        }

        var verdict = await authorizers.CheckAsync(authorizer, exchange.Arrival.Place!.Mesh, exchange.Arrival.Self!, FactsOf(exchange, held, isPartial), exchange).ConfigureAwait(false);
        switch (verdict.Outcome)
        {
            case CheckOutcome.Overloaded:
                return await OverloadedAsync(exchange, authorizer, question, verdict.Reason!).ConfigureAwait(false);
            case CheckOutcome.Failed:
                return await FailedAsync(exchange, authorizer, question, ofRoute, verdict.Reason!).ConfigureAwait(false);
            case CheckOutcome.Denied:
                Decided(exchange, AuthorizationDecision.DeniedExternally(question.Policy!, question.Rule ?? 0));
                exchange.Flags = ResponseFlags.UnauthorizedExternalService;
                await LocalReply.SendAsync(exchange, verdict.Status, verdict.Body, verdict.Headers).ConfigureAwait(false);
                return false;
        }

        exchange.LetInBy = ofRoute ? exchange.LetInBy : authorizer;
        if (!ReferenceEquals(verdict, CheckVerdict.Allowed) && Change(exchange, authorizer, verdict, ofRoute) is { } fault)
        {
            // It let in another request than this one would be: that is not for fail-open to pass over.
            exchange.Error = $"external authorizer {authorizer.Name}: {fault}";
            Decided(exchange, AuthorizationDecision.FailedExternally(question.Policy!, question.Rule ?? 0));
            return await ReplyAsync(exchange, 500, "", ResponseFlags.UnauthorizedExternalService).ConfigureAwait(false);
        }

        exchange.Services.Log.Policies.LetIn(question.Policy!, asFailed: false);
        return true;
    }

    /// <summary>Reads the body up to what the authorizer is told, and keeps it to be sent on. Null: it did not come in time.</summary>
    private static async ValueTask<HeldBody?> HoldAsync(RequestExchange exchange, int most, AuthorizerClient authorizers)
    {
        var (server, head) = (exchange.Server, exchange.Head);
        if (head.ExpectsContinue)
        {
            // The client waits for the word, and the endpoint, which would give it, is asked only after the authorizer.
            await server.SendInterimAsync(s_continue).ConfigureAwait(false);
            head.ExpectsContinue = false;
        }

        // Another authorizer may have been told of it before.
        var held = exchange.HeldRequest ??= new HeldBody();
        using var patience = new CancellationTokenSource(authorizers.BodyTimeout, exchange.Services.Time);
        try
        {
            await held.ReadAsync(server, most, authorizers.Bodies.For(exchange.Arrival.Source.Address), patience.Token).ConfigureAwait(false);
            return held;
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested)
        {
            return null;
        }
    }

    private static CheckFacts FactsOf(RequestExchange exchange, ReadOnlyMemory<byte> body, bool? isPartial)
    {
        var arrival = exchange.Arrival;
        return new CheckFacts
        {
            Source = arrival.Source,
            Destination = arrival.Destination,
            Identity = arrival.Identity,
            Self = arrival.Self!.Identity,
            ServerName = arrival.ServerName,
            Head = exchange.Head,
            Target = exchange.Path.Target,
            Scheme = arrival.Scheme,
            Time = exchange.Services.Time.GetUtcNow(),
            Body = body,
            IsPartial = isPartial,
        };
    }

    /// <summary>Makes of the request what the authorizer has said. What is wrong with it, or null.</summary>
    private static string? Change(RequestExchange exchange, ExternalAuthorizer authorizer, CheckVerdict verdict, bool ofRoute)
    {
        try
        {
            HeaderMutations.Validate(verdict.ResponseHeaders);
            if (verdict.ChangesRequest)
            {
                if (ofRoute)
                {
                    // Policies have been asked, and a route was found: neither asks about what a route's authorizer makes of it.
                    exchange.Judged();
                    return Rewrite(exchange, verdict);
                }

                if (!authorizer.ClearRouteCache)
                {
                    exchange.RouteAsItIs();
                }

                HeaderMutations.Apply(exchange.Head, verdict);
                exchange.Host = exchange.Head.Authority;
                if (!RequestPath.TryParse(exchange.Head.Target, out exchange.Path, exchange.Arrival.Place!.Mesh.Requests.PathNormalization))
                {
                    return $"'{exchange.Head.Target}' is not a valid path";
                }
            }
        }
        catch (ArgumentException e)
        {
            return e.Message;
        }

        exchange.ResponseEdits = [.. exchange.ResponseEdits, .. verdict.ResponseHeaders];
        return null;
    }

    /// <summary>Changes what is sent to the endpoint, as a filter of the route does it; where the route says a path of its own, that one counts.</summary>
    private static string? Rewrite(RequestExchange exchange, CheckVerdict verdict)
    {
        var target = exchange.Head.Target;
        HeaderMutations.Apply(exchange.Head, verdict);
        exchange.ResponseEdits = [.. exchange.ResponseEdits, .. verdict.ResponseHeaders];
        if (exchange.Head.Target == target)
        {
            return null;
        }

        if (!RequestPath.TryParse(exchange.Head.Target, out var path, exchange.Arrival.Place!.Mesh.Requests.PathNormalization))
        {
            return $"'{exchange.Head.Target}' is not a valid path";
        }

        exchange.Path = exchange.Path with { Query = path.Query };
        exchange.Route = exchange.Route! with { Path = exchange.Route.Path ?? path.Path };
        return null;
    }

    private static async ValueTask<bool> FailedAsync(RequestExchange exchange, ExternalAuthorizer authorizer, AuthorizationDecision question, bool ofRoute, string reason)
    {
        if (exchange.Server.Fault != MessageFault.None)
        {
            throw new MessageException(exchange.Server.Fault, "the client went away before the external authorizer answered");
        }

        exchange.Services.Log.AuthorizerFailed(authorizer.Name, authorizer.FailOpen, reason);
        if (authorizer.FailOpen)
        {
            exchange.LetInBy = ofRoute ? exchange.LetInBy : authorizer;
            exchange.Services.Log.Policies.LetIn(question.Policy!, asFailed: true);
            return true;
        }

        exchange.Error = $"external authorizer {authorizer.Name}: {reason}";
        Decided(exchange, AuthorizationDecision.FailedExternally(question.Policy!, question.Rule ?? 0));
        return await ReplyAsync(exchange, authorizer.StatusOnError, "", ResponseFlags.UnauthorizedExternalService).ConfigureAwait(false);
    }

    /// <summary>Refuses a request that nobody was asked about because of our own limits: whoever can reach them must not be let in for it.</summary>
    private static async ValueTask<bool> OverloadedAsync(RequestExchange exchange, ExternalAuthorizer authorizer, AuthorizationDecision question, string reason)
    {
        exchange.Services.Log.AuthorizerNotAsked(authorizer.Name, reason);
        exchange.Error = $"external authorizer {authorizer.Name} was not asked: {reason}";
        exchange.IsOverloaded = true;
        Decided(exchange, AuthorizationDecision.FailedExternally(question.Policy!, question.Rule ?? 0));
        return await ReplyAsync(exchange, 503, "", ResponseFlags.Overload).ConfigureAwait(false);
    }

    private static async ValueTask<bool> RefuseAsync(RequestExchange exchange, AuthorizationDecision decision)
    {
        Decided(exchange, decision);
        await LocalReply.DenyAsync(exchange).ConfigureAwait(false);
        return false;
    }

    private static void Decided(RequestExchange exchange, AuthorizationDecision decision)
    {
        exchange.Authorization = decision;
        exchange.Services.Log.Decided(decision, exchange.Arrival.Source, exchange.Arrival.Identity, exchange.Arrival.Destination);
    }
}
