using System.Collections.Immutable;
using System.Globalization;
using Ambient.Http;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;

namespace Ambient.Node.Discovery.Folder;

/// <summary>Reads the external authorizers among the <c>extensionProviders</c> of a MeshConfig. Other providers are not for policies.</summary>
internal static class ExternalAuthorizerReader
{
    private const string Grpc = "envoyExtAuthzGrpc";
    private const string Http = "envoyExtAuthzHttp";
    private const int MaxBodyBytes = 16 * 1024 * 1024;

    /// <summary>The authorizers; null where the MeshConfig has no providers at all.</summary>
    public static IReadOnlyList<ExternalAuthorizer>? Read(FieldReader config)
    {
        if (!config.Has("extensionProviders"))
        {
            return null;
        }

        var authorizers = new List<ExternalAuthorizer>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var provider in config.Objects("extensionProviders"))
        {
            var name = provider.RequiredString("name");
            if (name.Length > 0 && !names.Add(name))
            {
                provider.Error("name", $"two providers are named \"{name}\"");
            }

            if (provider.Object(Grpc) is { } grpc)
            {
                authorizers.Add(Read(name, grpc, ExternalAuthorizerProtocol.Grpc));
            }

            if (provider.Object(Http) is { } http)
            {
                authorizers.Add(Read(name, http, ExternalAuthorizerProtocol.Http));
            }
        }

        return authorizers;
    }

    private static ExternalAuthorizer Read(string name, FieldReader provider, ExternalAuthorizerProtocol protocol)
    {
        var (ns, hostname) = ReadService(provider);
        var authorizer = new ExternalAuthorizer
        {
            Name = name,
            Protocol = protocol,
            ServiceNamespace = ns,
            Hostname = hostname,
            Port = provider.RequiredInteger("port", 1, ushort.MaxValue),
            Timeout = ReadTimeout(provider) ?? TimeSpan.FromSeconds(600),
            FailOpen = provider.Boolean("failOpen") ?? false,
            StatusOnError = ReadStatus(provider),
            ClearRouteCache = provider.Boolean("clearRouteCache") ?? false,
            Body = ReadBody(provider),
        };
        return protocol == ExternalAuthorizerProtocol.Grpc ? authorizer : authorizer with
        {
            PathPrefix = ReadPathPrefix(provider),
            RequestHeaders = [.. Patterns(provider, "includeHeadersInCheck"), .. Patterns(provider, "includeRequestHeadersInCheck")],
            AdditionalHeaders = ReadAdditional(provider),
            HeadersToUpstreamOnAllow = Patterns(provider, "headersToUpstreamOnAllow"),
            HeadersToDownstreamOnDeny = Patterns(provider, "headersToDownstreamOnDeny"),
            HeadersToDownstreamOnAllow = Patterns(provider, "headersToDownstreamOnAllow"),
        };
    }

    private static (string? Namespace, string Hostname) ReadService(FieldReader provider)
    {
        var text = provider.RequiredString("service");
        switch (text.Split('/'))
        {
            case [var hostname]:
                return (null, hostname);
            case [{ Length: > 0 } ns, { Length: > 0 } hostname]:
                return (ns, hostname);
            default:
                provider.Error("service", $"\"{text}\": expected hostname or namespace/hostname");
                return (null, text);
        }
    }

    private static TimeSpan? ReadTimeout(FieldReader provider)
    {
        if (Durations.Read(provider, "timeout") is not { } timeout)
        {
            return null;
        }

        if (timeout < TimeSpan.FromMilliseconds(1) || timeout > TimeSpan.FromDays(1))
        {
            provider.Error("timeout", "expected a duration from 1ms to 24h");
            return null;
        }

        return timeout;
    }

    private static int ReadStatus(FieldReader provider)
    {
        if (provider.String("statusOnError") is not { Length: > 0 } text)
        {
            return 403;
        }

        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var status) && status is >= 200 and <= 599)
        {
            return status;
        }

        provider.Error("statusOnError", $"\"{text}\" is not a status; expected a number from 200 to 599");
        return 403;
    }

    private static string ReadPathPrefix(FieldReader provider)
    {
        var prefix = provider.String("pathPrefix") ?? "";
        if (prefix.Length > 0 && (prefix[0] != '/' || !HttpSyntax.IsTarget(prefix) || prefix.Contains('?', StringComparison.Ordinal)))
        {
            provider.Error("pathPrefix", $"\"{prefix}\" is not the beginning of a path; expected a form like /check");
            return "";
        }

        return prefix;
    }

    private static CheckedBody? ReadBody(FieldReader provider) => provider.Object("includeRequestBodyInCheck") is not { } body ? null : new CheckedBody(
        body.RequiredInteger("maxRequestBytes", 1, MaxBodyBytes),
        body.Boolean("allowPartialMessage") ?? false,
        body.Boolean("packAsBytes") ?? false);

    private static ImmutableArray<NamedValue> ReadAdditional(FieldReader provider)
    {
        const string Field = "includeAdditionalHeadersInCheck";
        var headers = ImmutableArray.CreateBuilder<NamedValue>();
        foreach (var (name, value) in provider.StringMap(Field))
        {
            if (!HttpSyntax.IsToken(name) || !value.All(HttpSyntax.IsFieldValue))
            {
                provider.ObjectOrEmpty(Field).Error(name, $"\"{name}: {value}\" is not a header");
            }

            headers.Add(new NamedValue(name, value));
        }

        return headers.DrainToImmutable();
    }

    private static ImmutableArray<StringMatch> Patterns(FieldReader provider, string field)
    {
        var patterns = ImmutableArray.CreateBuilder<StringMatch>();
        var values = provider.Strings(field);
        for (var i = 0; i < values.Count; i++)
        {
            var match = StringMatch.Parse(values[i]);
            if (match.Kind == StringMatchKind.Presence || match.Value.Length == 0 || !HttpSyntax.IsToken(match.Value) || match.Value.Contains('*', StringComparison.Ordinal))
            {
                provider.Error(field, i, $"\"{values[i]}\": expected the name of a header, or its beginning or end with one '*'");
            }

            patterns.Add(match);
        }

        return patterns.DrainToImmutable();
    }
}
