using System.Collections.Immutable;
using Ambient.Http;
using Ambient.Mesh;
using Ambient.Node.Discovery.Documents;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Folder;

/// <summary>
/// Reads filters of type ExternalAuth (https://gateway-api.sigs.k8s.io/reference/spec/#httpexternalauthfilter). They fail closed: who cannot be asked, or does not
/// answer in time, lets nothing in.
/// </summary>
internal static class RouteAuthorizerReader
{
    private const int MaxBodyBytes = 16 * 1024 * 1024;
    private const int MaxNames = 64;

    // The API has no field for it.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    public static RouteAuthorizer Read(ObjectMeta meta, FieldReader filter)
    {
        var reference = RouteReferences.Backend(meta, filter.ObjectOrEmpty("backendRef"));
        var protocol = filter.RequiredString("protocol") == "GRPC" ? ExternalAuthorizerProtocol.Grpc : ExternalAuthorizerProtocol.Http;
        var (grpc, http) = (filter.ObjectOrEmpty("grpc"), filter.ObjectOrEmpty("http"));
        var settings = new ExternalAuthorizer
        {
            Name = "",
            Protocol = protocol,
            Hostname = reference.Name,
            Port = reference.Port ?? 0,
            Timeout = s_patience,
            Body = filter.ObjectOrEmpty("forwardBody").Integer("maxSize", 0, MaxBodyBytes) is > 0 and var most ? new CheckedBody(most, AllowPartial: false, AsBytes: false) : null,
        };
        return new RouteAuthorizer(reference, protocol == ExternalAuthorizerProtocol.Grpc ? settings with { RequestHeaders = Names(grpc, "allowedHeaders") } : settings with
        {
            PathPrefix = ReadPath(http),
            RequestHeaders = Names(http, "allowedHeaders"),
            HeadersToUpstreamOnAllow = Names(http, "allowedResponseHeaders"),
            SendsAllHeadersUpstreamOnAllow = http.Strings("allowedResponseHeaders").Count == 0,
        });
    }

    private static string ReadPath(FieldReader http)
    {
        var path = (http.String("path") ?? "").TrimEnd('/');
        if (path.Length == 0)
        {
            return "";
        }

        path = path.StartsWith('/') ? path : $"/{path}";
        if (!HttpSyntax.IsTarget(path) || path.AsSpan().ContainsAny('?', '#') || path.Split('/').Any(segment => segment is "." or ".."))
        {
            http.Error("path", $"\"{path}\" is not the beginning of a path; expected a form like /check");
            return "";
        }

        return path;
    }

    private static ImmutableArray<StringMatch> Names(FieldReader owner, string field)
    {
        var values = owner.Strings(field);
        if (values.Count > MaxNames)
        {
            owner.Error(field, $"names {values.Count} headers; at most {MaxNames} are allowed");
        }

        var names = ImmutableArray.CreateBuilder<StringMatch>(values.Count);
        for (var i = 0; i < values.Count; i++)
        {
            if (!HttpSyntax.IsToken(values[i]))
            {
                owner.Error(field, i, $"\"{values[i]}\" is not the name of a header");
            }

            names.Add(new StringMatch(StringMatchKind.Exact, values[i]));
        }

        return names.DrainToImmutable();
    }
}
