using System.Collections.Immutable;
using System.Text.Json;
using Ambient.Mesh;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Connections;

namespace Ambient.Node.Admin.Explain;

/// <summary>An explanation of a request for a tool.</summary>
internal static class RequestExplanationJson
{
    /// <summary>Writes it as the value of what <paramref name="json"/> stands at.</summary>
    public static void Write(Utf8JsonWriter json, RequestExplanation explanation)
    {
        ArgumentNullException.ThrowIfNull(json);
        ArgumentNullException.ThrowIfNull(explanation);
        json.WriteStartObject();
        json.WriteString("gateway", explanation.Gateway);
        json.WriteString("identity", explanation.Identity?.ToString());
        json.WriteString("method", explanation.Question.Method);
        json.WriteString("host", explanation.Question.Host);
        json.WriteString("target", explanation.Question.Path.Target);
        json.WriteBoolean("looksForTokens", !explanation.Tokens.IsEmpty);
        json.WriteStartArray("tokens");
        foreach (var rule in explanation.Tokens)
        {
            json.WriteStartObject();
            json.WriteString("issuer", rule.Rule.Issuer);
            json.WriteString("requestAuthentication", rule.Authentication == RequestAuthentication.Unnamed ? null : rule.Authentication);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        Write(json, explanation.Policies, explanation.Decision);
        json.WriteStartArray("routes");
        foreach (var explained in explanation.Decision.IsAllowed ? explanation.Routes : [])
        {
            Write(json, explained);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>Writes what policies say and decide, as members of the object that is being written.</summary>
    internal static void Write(Utf8JsonWriter json, ImmutableArray<RequestPolicyTrace> policies, AuthorizationDecision decision)
    {
        json.WriteStartArray("policies");
        foreach (var (policy, rule) in policies)
        {
            json.WriteStartObject();
            json.WriteString("policy", policy.Key);
            json.WriteString("action", policy.Action.ToString().ToUpperInvariant());
            json.WriteBoolean("dryRun", policy.DryRun);
            ExplanationJson.Number(json, "rule", rule);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteBoolean("allowed", decision.IsAllowed);
        json.WriteString("reason", decision.ToString());
    }

    /// <summary>Writes endpoints, as a member of the object that is being written.</summary>
    internal static void Write(Utf8JsonWriter json, ImmutableArray<EndpointCandidate> endpoints)
    {
        json.WriteStartArray("endpoints");
        foreach (var candidate in endpoints)
        {
            json.WriteStartObject();
            json.WriteString("workload", candidate.Workload.Uid);
            ExplanationJson.Number(json, "port", candidate.Port);
            json.WriteString("excluded", candidate.Excluded);
            if (candidate.Way is { } way)
            {
                json.WriteStartObject("way");
                json.WriteString("error", way.Error);
                json.WriteString("protocol", way.Protocol == ConnectionProtocol.DoubleHbone ? "DOUBLEHBONE" : "HBONE");
                json.WriteString("nextHop", way.NextHop?.ToString());
                json.WriteString("tunnelTarget", way.Authority);
                json.WriteEndObject();
            }

            if (candidate.Sidecar is { } tls)
            {
                json.WriteString("sidecarTls", tls.ServerName);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void Write(Utf8JsonWriter json, ExplainedRoute explained)
    {
        var route = explained.Route;
        json.WriteStartObject();
        json.WriteNumber("share", explained.Share);
        json.WriteString("rule", route.Rule);
        json.WriteString("backend", explained.Backend?.Key);
        ExplanationJson.Number(json, "port", explained.Backend is null ? null : explained.Port);
        json.WriteString("subset", route.Subset);
        json.WriteString("destinationRule", explained.DestinationRule);
        ExplanationJson.Number(json, "status", explained.Backend is not null ? null : route.Kind == Ambient.Policy.Routing.Requests.RequestRouteKind.Default ? 404 : route.StatusCode);
        json.WriteString("location", route.Location);
        json.WriteString("error", route.Error);
        json.WriteString("rewrittenHost", route.Host);
        json.WriteString("rewrittenPath", route.Path);
        ExplanationJson.Number(json, "timeoutMilliseconds", (int?)route.Plan.Timeout?.TotalMilliseconds);
        ExplanationJson.Number(json, "tryTimeoutMilliseconds", (int?)route.Plan.TryTimeout?.TotalMilliseconds);
        json.WriteNumber("retries", explained.Retry.Attempts);
        json.WriteStartArray("mirrors");
        foreach (var mirror in route.Mirrors)
        {
            json.WriteStringValue($"{mirror.Service.Key} port {mirror.Port}");
        }

        json.WriteEndArray();
        json.WriteStartArray("authorizers");
        foreach (var authorizer in route.Authorizers)
        {
            json.WriteStringValue(authorizer.Name);
        }

        json.WriteEndArray();
        Write(json, explained.Endpoints);
        json.WriteEndObject();
    }
}
