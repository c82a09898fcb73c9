using System.Collections.Immutable;
using System.Text;
using Ambient.Http;
using Ambient.Mesh;
using Ambient.Node.Lifetime;
using Ambient.Node.Requests;
using Ambient.Node.Requests.ExternalAuthorization;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Requests;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;

namespace Ambient.Node.Member;

/// <summary>
/// Asks the external authorizer that CUSTOM policies name about a request to the application, before its tokens and all other policies, as a waypoint
/// does. What the authorizer changes the application sees, its routing too.
/// </summary>
/// <param name="authorizers">Asks.</param>
/// <param name="mesh">Where the authorizer is.</param>
/// <param name="self">Who asks.</param>
/// <param name="failed">Told the authorizer's name, whether the request is let in all the same, and why.</param>
/// <param name="time">Clock.</param>
internal sealed class MemberCheck(AuthorizerClient authorizers, MeshSnapshot mesh, Workload self, Action<string, bool, string> failed, TimeProvider time)
{
    /// <summary>Asks where a CUSTOM policy matches. Null: let in so far, and changed as the authorizer said.</summary>
    /// <param name="http">The request.</param>
    /// <param name="request">The same, as policies see it.</param>
    /// <param name="connection">The connection that it came on.</param>
    public async ValueTask<MemberRefusal?> AskAsync(HttpContext http, MemberRequest request, ConnectionFacts connection)
    {
        var question = request.Question();
        if (question.Reason == AuthorizationReason.NoPolicy)
        {
            return null;
        }

        if (question.Reason != AuthorizationReason.AsksExternalAuthorizer || request.Authorizer is not { } authorizer)
        {
            return new MemberRefusal(StatusCodes.Status403Forbidden, question.ToString()) { Body = LocalReply.AccessDenied };
        }

        var head = HeadOf(http);
        var (body, isPartial) = (ReadOnlyMemory<byte>.Empty, (bool?)null);
        if (authorizer.Body is { } wanted)
        {
            isPartial = false;
            if (head.HasBody)
            {
                var room = authorizers.Bodies.For(connection.Source.Address);
                http.Response.OnCompleted(static taken =>
                {
                    ((BodyRoom)taken).Release();
                    return Task.CompletedTask;
                }, room);
                using var patience = new TimeLimit(authorizers.BodyTimeout, time, http.RequestAborted);

                ReplayedBody? held;
                try
                {
                    held = await ReplayedBody.HoldAsync(http, ToldBody.Most(wanted), room, patience.Token).ConfigureAwait(false);
                }
                catch (OperationCanceledException) when (patience.HasPassed)
                {
                    return new MemberRefusal(StatusCodes.Status408RequestTimeout, $"the body did not come within {authorizers.BodyTimeout.TotalSeconds:0.#} s") { Body = LocalReply.RequestTimedOut };
                }

                if (held is null)
                {
                    return Overloaded(authorizer, question, "too many bytes of bodies are held for external authorizers");
                }

                if (ToldBody.Of(wanted, held.Bytes, held.IsWhole, head.ContentLength) is not { } told)
                {
                    return new MemberRefusal(StatusCodes.Status413PayloadTooLarge, $"the body has more than {wanted.MaxBytes} bytes") { Body = LocalReply.PayloadTooLarge };
                }

                (body, isPartial) = (told.Bytes, told.IsPartial);
            }
        }

        var target = RequestPath.TryParse(head.Target, out var path, mesh.Requests.PathNormalization) ? path.Target : head.Target;
        var pending = new PendingCheck();
        using var breaking = pending.BreakWhen(http.RequestAborted);
        var verdict = await authorizers.CheckAsync(
            authorizer,
            mesh,
            self,
            new CheckFacts
            {
                Source = connection.Source,
                Destination = connection.Destination,
                Identity = connection.Identity,
                Self = self.Identity,
                Head = head,
                Target = target,
                Scheme = http.Request.Scheme,
                Time = time.GetUtcNow(),
                Body = body,
                IsPartial = isPartial,
            },
            pending).ConfigureAwait(false);
        switch (verdict.Outcome)
        {
            case CheckOutcome.Overloaded:
                return Overloaded(authorizer, question, verdict.Reason!);
            case CheckOutcome.Failed:
                return Failed(authorizer, question, request, verdict.Reason!);
            case CheckOutcome.Denied:
                return new MemberRefusal(verdict.Status, AuthorizationDecision.DeniedExternally(question.Policy!, question.Rule ?? 0).ToString()) { Answer = verdict };
        }

        if (!ReferenceEquals(verdict, CheckVerdict.Allowed) && Change(http, head, verdict) is { } fault)
        {
            // It let in another request than this one would be: that is not for fail-open to pass over.
            return new MemberRefusal(StatusCodes.Status500InternalServerError, $"external authorizer {authorizer.Name}: {fault}");
        }

        request.LetIn(http, authorizer);
        return request.Fault is { } changed ? new MemberRefusal(StatusCodes.Status500InternalServerError, $"external authorizer {authorizer.Name}: {changed}") : null;
    }

    private MemberRefusal? Failed(ExternalAuthorizer authorizer, AuthorizationDecision question, MemberRequest request, string reason)
    {
        failed(authorizer.Name, authorizer.FailOpen, reason);
        if (authorizer.FailOpen)
        {
            request.LetIn(null, authorizer);
            return null;
        }

        return new MemberRefusal(authorizer.StatusOnError, $"{AuthorizationDecision.FailedExternally(question.Policy!, question.Rule ?? 0)}: {reason}");
    }

    /// <summary>Refuses what nobody was asked about because of our own limits: whoever can reach them must not be let in for it.</summary>
    private MemberRefusal Overloaded(ExternalAuthorizer authorizer, AuthorizationDecision question, string reason)
    {
        failed(authorizer.Name, false, $"it was not asked: {reason}");
        return new MemberRefusal(StatusCodes.Status503ServiceUnavailable, $"{AuthorizationDecision.FailedExternally(question.Policy!, question.Rule ?? 0)}: {reason}");
    }

    /// <summary>The request in the form that authorizers are told of.</summary>
    private static RequestHead HeadOf(HttpContext http)
    {
        var request = http.Request;
        var head = new RequestHead
        {
            Version = request.Protocol == "HTTP/2" ? HttpProtocolVersion.Http2 : HttpProtocolVersion.Http11,
            Method = MemberRequestForm.MethodOf(http),
            Authority = request.Headers.Host.ToString(),
            Target = MemberRequestForm.TargetOf(http),
            HasBody = http.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody == true && http.Features.Get<IHttpExtendedConnectFeature>()?.IsExtendedConnect != true
                && http.Features.Get<IHttpUpgradeFeature>()?.IsUpgradableRequest != true,
            ContentLength = request.ContentLength,
        };
        foreach (var (name, values) in request.Headers)
        {
            if (!HeaderMutations.IsOfTheMessage(name))
            {
                foreach (var value in values)
                {
                    // As the bytes that Kestrel has made text of.
                    head.Fields.Add(Encoding.ASCII.GetBytes(name), Encoding.UTF8.GetBytes(value ?? ""));
                }
            }
        }

        HeaderRules.Sanitize(head);
        return head;
    }

    /// <summary>Makes of request and answer what the authorizer has said. What is wrong with it, or null.</summary>
    private static string? Change(HttpContext http, RequestHead head, CheckVerdict verdict)
    {
        var (host, target) = (head.Authority, head.Target);
        try
        {
            HeaderMutations.Validate(verdict.ResponseHeaders);
            HeaderMutations.Apply(head, verdict);
        }
        catch (ArgumentException e)
        {
            return e.Message;
        }

        if (head.Authority != host)
        {
            http.Request.Headers.Host = head.Authority;
        }

        if (head.Target != target)
        {
            MemberRequestForm.SetTarget(http, head.Target);
        }

        foreach (var name in verdict.Headers.Select(edit => edit.Name).Concat(verdict.Remove).Where(name => !HeaderMutations.IsOfTheMessage(name)))
        {
            http.Request.Headers[name] = ValuesOf(head.Fields, name);
        }

        if (!verdict.ResponseHeaders.IsEmpty)
        {
            var headers = http.Response.Headers;
            http.Response.OnStarting(() =>
            {
                Edit(headers, verdict.ResponseHeaders);
                return Task.CompletedTask;
            });
        }

        return null;
    }

    private static void Edit(IHeaderDictionary headers, ImmutableArray<HeaderEdit> edits)
    {
        var fields = new HttpFields();
        var names = edits.Select(edit => edit.Name).Where(name => !HeaderMutations.IsOfTheMessage(name)).ToHashSet(StringComparer.OrdinalIgnoreCase);
        foreach (var name in names)
        {
            foreach (var value in headers[name])
            {
                fields.Add(Encoding.ASCII.GetBytes(name), Encoding.Latin1.GetBytes(value ?? ""));
            }
        }

        HeaderMutations.Apply(fields, edits);
        foreach (var name in names)
        {
            headers[name] = ValuesOf(fields, name);
        }
    }

    private static StringValues ValuesOf(HttpFields fields, string name)
    {
        List<string> values = [];
        for (var i = fields.IndexOf(name); i >= 0; i = fields.IndexOf(name, i + 1))
        {
            values.Add(fields[i].ValueText);
        }

        return values.Count == 0 ? StringValues.Empty : new StringValues([.. values]);
    }
}
