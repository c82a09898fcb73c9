using System.Collections.Immutable;
using Ambient.Http;
using Ambient.Mesh;

namespace Ambient.Node.Requests.ExternalAuthorization;

/// <summary>What is asked of an authorizer over HTTP, and what its answer means (https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/ext_authz/v3/ext_authz.proto, HttpService).</summary>
internal static class HttpCheck
{
    private const string Remove = "x-envoy-auth-headers-to-remove";
    private const string PartialBody = "x-envoy-auth-partial-body";

    // Of the answer to the authorizer's caller, not to the client.
    private const string ServiceTime = "x-envoy-upstream-service-time";

    /// <summary>The head of the question.</summary>
    /// <param name="head">Gets it.</param>
    /// <param name="authorizer">Who is asked.</param>
    /// <param name="facts">About what.</param>
    /// <param name="http2">Whether it is asked over HTTP/2.</param>
    public static void WriteHead(RequestHead head, ExternalAuthorizer authorizer, in CheckFacts facts, bool http2)
    {
        var request = facts.Head ?? throw new ArgumentException("a connection cannot be asked about over HTTP", nameof(facts));
        head.Clear();
        head.Version = http2 ? HttpProtocolVersion.Http2 : HttpProtocolVersion.Http11;
        head.Method = request.Method;
        head.Scheme = "http";
        head.Authority = request.Authority;
        head.Target = authorizer.PathPrefix.Length == 0 ? facts.Target : string.Concat(authorizer.PathPrefix, facts.Target);

        // A length of zero is said too, as the original does.
        (head.HasBody, head.ContentLength) = (!facts.Body.IsEmpty, facts.Body.Length);
        for (var i = 0; i < request.Fields.Count; i++)
        {
            var field = request.Fields[i];
            if (authorizer.RequestHeaders.IsDefaultOrEmpty && !field.Name.SequenceEqual("authorization"u8))
            {
                // Nobody asked for it, and nobody needs its name.
                continue;
            }

            var name = field.NameText;
            if ((name == "authorization" || Matches(authorizer.RequestHeaders, name)) && !IsAdditional(authorizer, name))
            {
                head.Fields.Add(field.Name, field.Value);
            }
        }

        if (facts.IsPartial is { } partial && Matches(authorizer.RequestHeaders, PartialBody))
        {
            head.Fields.Set(PartialBody, partial ? "true" : "false");
        }

        foreach (var (name, value) in authorizer.AdditionalHeaders)
        {
            head.Fields.Add(name, value);
        }
    }

    /// <summary>What an answer means: 200 lets in, 5xx is a failure, everything else is the answer to the client.</summary>
    public static CheckVerdict Read(ExternalAuthorizer authorizer, int status, HttpFields fields, ReadOnlyMemory<byte> body) => status switch
    {
        200 => Allowed(authorizer, fields),
        >= 500 => CheckVerdict.Fail($"it answered {status}"),
        _ => CheckVerdict.Deny(status, Denied(authorizer, fields), body),
    };

    private static CheckVerdict Allowed(ExternalAuthorizer authorizer, HttpFields fields)
    {
        var headers = ImmutableArray.CreateBuilder<HeaderEdit>();
        var responseHeaders = ImmutableArray.CreateBuilder<HeaderEdit>();
        var asked = authorizer.SendsAllHeadersUpstreamOnAllow || !authorizer.HeadersToUpstreamOnAllow.IsDefaultOrEmpty || !authorizer.HeadersToDownstreamOnAllow.IsDefaultOrEmpty;
        for (var i = 0; asked && i < fields.Count; i++)
        {
            var name = fields[i].NameText;
            if (Matches(authorizer.HeadersToUpstreamOnAllow, name) || (authorizer.SendsAllHeadersUpstreamOnAllow && !IsOfTheAnswer(name)))
            {
                headers.Add(new HeaderEdit(HeaderChange.Set, name, fields[i].ValueText));
            }

            if (Matches(authorizer.HeadersToDownstreamOnAllow, name))
            {
                responseHeaders.Add(new HeaderEdit(HeaderChange.Add, name, fields[i].ValueText));
            }
        }

        ImmutableArray<string> remove = fields.Get(Remove) is { } names ? [.. names.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)] : [];
        return headers.Count == 0 && remove.IsEmpty && responseHeaders.Count == 0
            ? CheckVerdict.Allowed
            : CheckVerdict.Allow(headers.DrainToImmutable(), remove, responseHeaders.DrainToImmutable());
    }

    private static ImmutableArray<HeaderEdit> Denied(ExternalAuthorizer authorizer, HttpFields fields)
    {
        var wanted = authorizer.HeadersToDownstreamOnDeny;
        var headers = ImmutableArray.CreateBuilder<HeaderEdit>();
        for (var i = 0; i < fields.Count; i++)
        {
            var name = fields[i].NameText;
            if (wanted.IsEmpty ? name is not (ServiceTime or "host") : Matches(wanted, name) || name is "www-authenticate" or "location")
            {
                headers.Add(new HeaderEdit(HeaderChange.Set, name, fields[i].ValueText));
            }
        }

        return headers.DrainToImmutable();
    }

    private static bool IsOfTheAnswer(string name) =>
        name is Remove or ServiceTime or "host" or "date" or "server" or "content-length" or "content-type" or "content-encoding";

    /// <summary>Whether a header is one of those that are named.</summary>
    public static bool Matches(ImmutableArray<StringMatch> patterns, string name)
    {
        foreach (ref readonly var pattern in patterns.AsSpan())
        {
            if (pattern.IsMatch(name, StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }

    private static bool IsAdditional(ExternalAuthorizer authorizer, string name)
    {
        foreach (var (own, _) in authorizer.AdditionalHeaders)
        {
            if (own.Equals(name, StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }
}
