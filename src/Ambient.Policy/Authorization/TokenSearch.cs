using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Authorization;

/// <summary>Looks for tokens in a request, where RequestAuthentications say that they may be.</summary>
internal static class TokenSearch
{
    /// <summary>The first object that names a place where the request has a token; null when none does.</summary>
    internal static string? Find(ImmutableArray<RequestAuthentication> authentications, in RequestFacts request)
    {
        // A browser asks whether it may ask, and sends no token of its own accord: Istio lets it pass.
        if (authentications.IsEmpty || IsPreflight(request))
        {
            return null;
        }

        foreach (var authentication in authentications.AsSpan())
        {
            foreach (var location in authentication.Locations.AsSpan())
            {
                if (Has(location, request))
                {
                    return authentication.Key;
                }
            }
        }

        return null;
    }

    private static bool IsPreflight(in RequestFacts request) =>
        request.Method == "OPTIONS" && request.Header("origin") is not null && request.Header("access-control-request-method") is not null;

    // In doubt it is a token: an empty one, or one after a prefix in other capitals, may be one to whoever reads it next.
    private static bool Has(TokenLocation location, in RequestFacts request) => location.Part switch
    {
        TokenPart.Header => request.Header(location.Name) is { Length: > 0 } value && value.Contains(location.Prefix.TrimEnd(), StringComparison.OrdinalIgnoreCase),
        TokenPart.Cookie => HasCookie(request.Header("cookie"), location.Name),
        _ => HasParameter(request.Query, location.Name),
    };

    private static bool HasParameter(string query, string name)
    {
        if (query.Length == 0)
        {
            return false;
        }

        foreach (var range in query.AsSpan().Split('&'))
        {
            var pair = query.AsSpan(range);
            var equals = pair.IndexOf('=');
            var written = equals < 0 ? pair : pair[..equals];
            if (written.SequenceEqual(name) || (written.ContainsAny('%', '+') && Uri.UnescapeDataString(written.ToString().Replace('+', ' ')) == name))
            {
                return true;
            }
        }

        return false;
    }

    private static bool HasCookie(string? cookies, string name)
    {
        // Several headers are joined with commas.
        foreach (var range in cookies.AsSpan().SplitAny(';', ','))
        {
            var pair = cookies.AsSpan()[range].Trim();
            var equals = pair.IndexOf('=');
            if ((equals < 0 ? pair : pair[..equals]).Trim().SequenceEqual(name))
            {
                return true;
            }
        }

        return false;
    }
}
