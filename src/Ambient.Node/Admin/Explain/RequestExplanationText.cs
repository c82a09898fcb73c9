using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Ambient.Mesh;
using Ambient.Policy.Authentication;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Connections;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Node.Admin.Explain;

/// <summary>An explanation of a request for a person, to be read from top to bottom.</summary>
internal static class RequestExplanationText
{
    /// <summary>The text.</summary>
    public static string Write(RequestExplanation explanation)
    {
        ArgumentNullException.ThrowIfNull(explanation);
        var text = new StringBuilder();
        var question = explanation.Question;
        Line(text, $"request  {question.Method} {question.Path.Target} to host {question.Host}, from {explanation.Identity?.ToString() ?? "nobody known"}, at {explanation.Gateway}");
        foreach (var (name, value) in question.Fields.OrderBy(field => field.Key, StringComparer.OrdinalIgnoreCase))
        {
            Line(text, $"         {name}: {value}");
        }

        Policies(text, explanation.Policies, explanation.Decision, explanation.Tokens, "DENIED with 403");
        if (explanation.Decision.IsAllowed)
        {
            foreach (var route in explanation.Routes)
            {
                text.Append('\n');
                Route(text, route, explanation.Routes.Length > 1);
            }
        }

        return text.ToString();
    }

    /// <summary>What policies say, and decide.</summary>
    internal static void Policies(StringBuilder text, ImmutableArray<RequestPolicyTrace> policies, AuthorizationDecision decision, ImmutableArray<TokenRule> tokens, string denied)
    {
        Line(text, "\npolicies");
        foreach (var rule in tokens)
        {
            Line(text, $"  TOKENS of issuer {rule.Rule.Issuer}, by {rule.Origin}");
        }

        if (!tokens.IsEmpty)
        {
            Line(text, "  a token is looked for, and one that is not valid is refused with 401; explained as a request without one");
        }

        foreach (var (policy, rule) in policies)
        {
            Line(text, $"  {policy.Action.ToString().ToUpperInvariant(),-6} {policy.Key}{(policy.DryRun ? " (dry run)" : "")}: {(rule is { } index ? $"matches by rule {index}" : "does not match")}");
        }

        if (policies.IsEmpty)
        {
            Line(text, "  none applies");
        }

        Line(text, $"  => {(decision.IsAllowed ? "ALLOWED" : denied)}: {decision}");
    }

    private static void Route(StringBuilder text, ExplainedRoute explained, bool oneOfMany)
    {
        var route = explained.Route;
        var share = oneOfMany ? string.Create(CultureInfo.InvariantCulture, $"{explained.Share * 100:0} % of requests: ") : "";
        var rule = route.Rule is { } name ? $" (route {name})" : "";
        if (explained.Backend is not { } backend)
        {
            var status = route.Kind == RequestRouteKind.Default ? 404 : route.StatusCode;
            Line(text, $"=> {share}ANSWERED with {status}{(route.Location is { } location ? $", location {location}" : "")}{rule}{(route.Error is { } error ? $": {error}" : "")}");
            return;
        }

        Line(text, $"=> {share}{backend.Key} port {explained.Port}{(route.Subset is { } subset ? $", subset {subset}" : "")}{(route.Kind == RequestRouteKind.Default ? " (no route applies: as addressed)" : rule)}");
        if (explained.DestinationRule is { } destinationRule)
        {
            Line(text, $"   settings  of DestinationRule {destinationRule}");
        }

        foreach (var authorizer in route.Authorizers)
        {
            Line(text, $"   asked     {authorizer.Name}, which may keep it out");
        }

        foreach (var asked in Asked(route, explained.Retry))
        {
            Line(text, $"   {asked}");
        }

        if (!Endpoints(text, explained.Endpoints))
        {
            Line(text, "   no endpoint can serve: ANSWERED with 503");
        }
    }

    /// <summary>Which endpoints there are. False: none can serve.</summary>
    internal static bool Endpoints(StringBuilder text, ImmutableArray<EndpointCandidate> endpoints)
    {
        foreach (var candidate in endpoints)
        {
            var where = $"{candidate.Workload.Namespace}/{candidate.Workload.Name} ({string.Join(", ", candidate.Workload.Addresses)}{(candidate.Port is { } port ? $" port {port}" : "")})";
            Line(text, candidate.Excluded is null ? $"   + {where}{How(candidate)}" : $"   - {where}: {candidate.Excluded}");
        }

        return endpoints.Any(candidate => candidate.Excluded is null);
    }

    /// <summary>How an endpoint is reached, where that is not as it is.</summary>
    private static string How(EndpointCandidate candidate) => candidate switch
    {
        { Way: { Error: { } error } } => $": cannot be reached: {error}",
        { Way: { } way } => $": by {ExplanationText.Sentence(way)}; accepts {ExplanationText.Whom(way.AcceptedIdentities, way.AcceptedTrustDomains)}"
            + (way.Protocol == ConnectionProtocol.DoubleHbone ? $", and in the inner one {ExplanationText.Whom(way.InnerAcceptedIdentities, way.InnerAcceptedTrustDomains)}" : ""),
        { Sidecar: { } tls } => $": in its sidecar's TLS for {tls.ServerName}; accepts {string.Join(", ", tls.SubjectAltNames.Select(static name => name.Value))}",
        _ => "",
    };

    /// <summary>What is done on the way, a line each.</summary>
    private static IEnumerable<string> Asked(RequestRoute route, RetryRule retry)
    {
        var plan = route.Plan;
        if (plan.Fault is { } fault)
        {
            yield return $"faults    {Share(fault.DelayPartsPerMillion)} held back {Time(fault.Delay)}, {Share(fault.AbortPartsPerMillion)} aborted";
        }

        if (plan.Cors is not null)
        {
            yield return "CORS      pages of allowed origins may read the answer";
        }

        if (route.Host is not null || route.Path is not null)
        {
            yield return $"rewritten {route.Host ?? "same host"} {route.Path ?? "same path"}";
        }

        foreach (var edit in route.RequestHeaders)
        {
            yield return $"request   {Edits(edit)}";
        }

        foreach (var edit in route.ResponseHeaders)
        {
            yield return $"answer    {Edits(edit)}";
        }

        foreach (var mirror in route.Mirrors)
        {
            yield return $"mirrored  {Share(mirror.PartsPerMillion)} to {mirror.Service.Key} port {mirror.Port}";
        }

        if (plan.Timeout is not null || plan.TryTimeout is not null)
        {
            yield return $"time      {(plan.Timeout is { } whole ? $"{Time(whole)} in all" : "no limit in all")}{(plan.TryTimeout is { } one ? $", {Time(one)} a try" : "")}";
        }

        var codes = retry.StatusCodes.IsDefaultOrEmpty ? "" : $", {string.Join(", ", retry.StatusCodes)}";
        yield return retry.Attempts == 0 ? "retries   none" : $"retries   {retry.Attempts}, on {retry.Conditions}{codes}";
    }

    private static string Edits(HeaderModification edit) => string.Join(", ",
        [.. edit.Remove.Select(name => $"without {name}"), .. edit.Set.Select(header => $"{header.Name} = {header.Value}"), .. edit.Add.Select(header => $"{header.Name} + {header.Value}")]);

    private static string Share(int partsPerMillion) => string.Create(CultureInfo.InvariantCulture, $"{partsPerMillion / 10_000.0:0.####} %");

    private static string Time(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.###} s");

    internal static void Line(StringBuilder text, string line) => text.Append(line).Append('\n');
}
