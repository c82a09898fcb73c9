using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads HTTPRoutes, with the defaults of the Gateway API (https://gateway-api.sigs.k8s.io/reference/spec/).</summary>
internal static class HttpRouteReader
{
    private const string GatewayGroup = "gateway.networking.k8s.io";
    private const int MaxWeight = 1_000_000;

    public static HttpRouteObject ReadHttpRoute(ObjectMeta meta, FieldReader fields)
    {
        var spec = fields.ObjectOrEmpty("spec");
        var rules = spec.Objects("rules").Select(rule => ReadRule(meta, rule)).ToImmutableArray();
        return new HttpRouteObject(meta, new HttpRoute
        {
            Name = meta.Name,
            Namespace = meta.Namespace,
            ParentRefs = [.. spec.Objects("parentRefs").Select(parent => ReadReference(meta, parent, GatewayGroup, "Gateway"))],
            Hostnames = [.. spec.Strings("hostnames")],
            Rules = spec.Has("rules") ? rules : [new HttpRouteRule { Matches = [new HttpRouteMatch()] }],
            CreationTime = meta.CreationTime,
        });
    }

    private static HttpRouteRule ReadRule(ObjectMeta meta, FieldReader rule)
    {
        var unsupported = ImmutableArray.CreateBuilder<string>();
        foreach (var name in rule.Names)
        {
            if (name.Value is not ("name" or "matches" or "backendRefs" or "filters") && rule.Has(name.Value))
            {
                unsupported.Add(name.Value);
            }
        }

        var filters = HttpRouteFilterReader.Read(rule);
        unsupported.AddRange(filters.Unsupported);
        var matches = rule.Objects("matches").Select(ReadMatch).ToImmutableArray();
        return new HttpRouteRule
        {
            Matches = matches.Length > 0 ? matches : [new HttpRouteMatch()],
            Backends = [.. rule.Objects("backendRefs").Select(backend => ReadBackend(meta, backend))],
            RequestHeaders = filters.RequestHeaders,
            ResponseHeaders = filters.ResponseHeaders,
            Redirect = filters.Redirect,
            Rewrite = filters.Rewrite,
            Unsupported = unsupported.ToImmutable(),
        };
    }

    private static HttpRouteBackend ReadBackend(ObjectMeta meta, FieldReader backend)
    {
        var filters = HttpRouteFilterReader.Read(backend);
        var unsupported = filters.Unsupported.ToList();
        if (filters.Redirect is not null)
        {
            unsupported.Add("RequestRedirect");
        }

        if (filters.Rewrite is not null)
        {
            unsupported.Add("URLRewrite");
        }

        return new HttpRouteBackend(ReadReference(meta, backend, "", "Service"), backend.Integer("weight", 0, MaxWeight) ?? 1)
        {
            RequestHeaders = filters.RequestHeaders,
            ResponseHeaders = filters.ResponseHeaders,
            Unsupported = [.. unsupported],
        };
    }

    private static HttpRouteMatch ReadMatch(FieldReader match)
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

        return new HttpRouteMatch
        {
            Path = new PathMatch(kind, value),
            Method = match.String("method"),
            Headers = ReadNamedValues(match, "headers", StringComparer.OrdinalIgnoreCase),
            QueryParams = ReadNamedValues(match, "queryParams", StringComparer.Ordinal),
        };
    }

    private static ImmutableArray<NamedValueMatch> ReadNamedValues(FieldReader match, string field, StringComparer names)
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
                values.Add(new NamedValueMatch(name, value, isRegex));
            }
        }

        return values.ToImmutable();
    }

    private static ObjectReference ReadReference(ObjectMeta meta, FieldReader reference, string defaultGroup, string defaultKind)
    {
        var ns = reference.String("namespace");
        return new ObjectReference(
            reference.String("group") ?? defaultGroup,
            reference.String("kind") ?? defaultKind,
            string.IsNullOrEmpty(ns) ? meta.Namespace : ns,
            reference.RequiredString("name"),
            reference.String("sectionName"),
            reference.Integer("port", 1, 65535));
    }
}
