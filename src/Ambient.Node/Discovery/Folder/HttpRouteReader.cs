using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads HTTPRoutes, with the defaults of the Gateway API (https://gateway-api.sigs.k8s.io/reference/spec/).</summary>
internal static class HttpRouteReader
{
    private const int MaxAttempts = 100;

    public static HttpRouteObject ReadHttpRoute(ObjectMeta meta, FieldReader fields) => ReadRoute(meta, fields, ReadRule);

    /// <summary>Reads a route of either kind, whose rules only are its own. A route without rules has one for everything, and no backend.</summary>
    internal static HttpRouteObject ReadRoute(ObjectMeta meta, FieldReader fields, Func<ObjectMeta, FieldReader, TrafficRule> readRule)
    {
        var spec = fields.ObjectOrEmpty("spec");
        return new HttpRouteObject(meta, new HttpRoute
        {
            Kind = meta.Kind,
            Name = meta.Name,
            Namespace = meta.Namespace,
            ParentRefs = [.. spec.Objects("parentRefs").Select(parent => RouteReferences.Parent(meta, parent))],
            Hostnames = [.. spec.Strings("hostnames")],
            Rules = spec.Has("rules") ? [.. spec.Objects("rules").Select(rule => readRule(meta, rule))] : [new TrafficRule { Matches = [new TrafficMatch()] }],
            CreationTime = meta.CreationTime,
        });
    }

    private static TrafficRule ReadRule(ObjectMeta meta, FieldReader rule)
    {
        var unsupported = ImmutableArray.CreateBuilder<string>();
        foreach (var name in rule.Names)
        {
            if (name.Value is not ("name" or "matches" or "backendRefs" or "filters" or "timeouts" or "retry" or "sessionPersistence") && rule.Has(name.Value))
            {
                unsupported.Add(name.Value);
            }
        }

        var filters = RouteFilterReader.Read(meta, rule);
        unsupported.AddRange(filters.Unsupported);
        var matches = rule.Objects("matches").Select(ReadMatch).ToImmutableArray();
        return filters.ToRule(ReadForward(meta, rule)) with
        {
            Name = rule.String("name"),
            Matches = matches.Length > 0 ? matches : [new TrafficMatch()],
            Unsupported = unsupported.ToImmutable(),
        };
    }

    private static ForwardAction ReadForward(ObjectMeta meta, FieldReader rule)
    {
        var timeouts = rule.ObjectOrEmpty("timeouts");
        var (request, backend) = (Durations.Read(timeouts, "request"), Durations.Read(timeouts, "backendRequest"));
        if (backend > request && request > TimeSpan.Zero)
        {
            timeouts.Error("backendRequest", "is longer than \"request\", which ends it earlier");
        }

        return new ForwardAction
        {
            Backends = [.. rule.Objects("backendRefs").Select(backendRef => RouteReferences.WeightedBackend(meta, backendRef))],
            Timeout = request,
            TryTimeout = backend,
            Retry = ReadRetry(rule),
            Session = SessionPersistenceReader.Read(rule),
        };
    }

    // Whoever asks for retries means failures without an answer as well (HTTPRouteRetry of the Gateway API).
    private static RetryRule? ReadRetry(FieldReader rule) => rule.Object("retry") is not { } retry ? null : RetryRule.Default with
    {
        Attempts = retry.Integer("attempts", 0, MaxAttempts) ?? RetryRule.Default.Attempts,
        Conditions = RetryRule.Default.Conditions | RetryConditions.Reset,
        StatusCodes = [.. retry.Integers("codes", 400, 599)],
        Backoff = Durations.Read(retry, "backoff") ?? RetryRule.Default.Backoff,
    };

    private static TrafficMatch ReadMatch(FieldReader match)
    {
        var path = match.ObjectOrEmpty("path");
        var kind = path.OneOf("type", "PathPrefix", "Exact", "RegularExpression") switch
        {
            "Exact" => PathMatchKind.Exact,
            "RegularExpression" => PathMatchKind.RegularExpression,
            _ => PathMatchKind.Prefix,
        };
        var value = path.String("value") ?? "/";
        if (kind != PathMatchKind.RegularExpression && !value.StartsWith('/'))
        {
            path.Error("value", $"\"{value}\" does not begin with '/'");
        }

        return new TrafficMatch
        {
            Path = new PathMatch(kind, value),
            Method = match.String("method") is { } method ? TextMatch.Exact(method) : null,
            Headers = ReadNamedValues(match, "headers", StringComparer.OrdinalIgnoreCase),
            QueryParams = ReadNamedValues(match, "queryParams", StringComparer.Ordinal),
        };
    }

    internal static ImmutableArray<NamedValueMatch> ReadNamedValues(FieldReader match, string field, StringComparer names)
    {
        var values = ImmutableArray.CreateBuilder<NamedValueMatch>();
        var seen = new HashSet<string>(names);
        foreach (var item in match.Objects(field))
        {
            var name = item.RequiredString("name");
            var isRegex = item.OneOf("type", "Exact", "RegularExpression") == "RegularExpression";
            var value = item.RequiredString("value");

            // Of repeated names the first counts, by the Gateway API.
            if (seen.Add(name))
            {
                values.Add(new NamedValueMatch(name, new TextMatch(isRegex ? TextMatchKind.RegularExpression : TextMatchKind.Exact, value)));
            }
        }

        return values.ToImmutable();
    }
}
