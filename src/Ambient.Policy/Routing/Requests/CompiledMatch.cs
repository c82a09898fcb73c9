using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Policy.Authentication;

namespace Ambient.Policy.Routing.Requests;

/// <summary>One match of a rule, ready to be asked.</summary>
internal sealed class CompiledMatch
{
    private readonly TrafficMatch _match;
    private readonly string _path;
    private readonly BoundedRegex? _pathRegex;
    private readonly CompiledText? _method;
    private readonly CompiledText? _scheme;
    private readonly CompiledText? _authority;
    private readonly NamedText[] _headers;
    private readonly NamedText[] _query;
    private readonly ClaimText[] _claims;
    private readonly bool _isBroken;

    internal CompiledMatch(TrafficMatch match)
    {
        _match = match;
        _path = match.Path.Kind == PathMatchKind.Prefix ? match.Path.Value.TrimEnd('/') : match.Path.Value;
        _isBroken = match.Path.Kind == PathMatchKind.RegularExpression && !BoundedRegex.TryParse(_path, out _pathRegex);
        (_method, _scheme, _authority) = (Of(match.Method), Of(match.Scheme), Of(match.Authority));

        // Of several comparisons of one name only the first counts.
        _headers = [.. match.Headers.DistinctBy(header => (header.Name.ToUpperInvariant(), header.IsInverted)).Select(NamedText.Of)];
        _query = [.. match.QueryParams.DistinctBy(parameter => parameter.Name).Select(NamedText.Of)];
        _claims = [.. match.Claims.Select(static claim => new ClaimText([.. claim.Path], CompiledText.Of(claim.Value), claim.IsInverted))];
        _isBroken |= _method is { IsBroken: true } || _scheme is { IsBroken: true } || _authority is { IsBroken: true }
            || _headers.Concat(_query).Any(value => value.Text.IsBroken) || _claims.Any(claim => claim.Text.IsBroken);
    }

    /// <summary>How the path is compared.</summary>
    internal PathMatchKind PathKind => _match.Path.Kind;

    /// <summary>Whether letters of the path are compared without case.</summary>
    internal bool IgnoresCase => _match.Path.IgnoresCase;

    /// <summary>With what; without slashes at the end where it is a prefix of whole segments.</summary>
    internal string Path => _path;

    internal int HeaderCount => _headers.Length;

    internal int QueryCount => _query.Length;

    internal bool HasMethod => _method is not null;

    /// <summary>Length of the prefix that it compares; null when it compares none.</summary>
    internal int? PrefixLength => PathKind is PathMatchKind.Prefix or PathMatchKind.TextPrefix ? _path.Length : null;

    /// <summary>Whether a request matches. A match with a broken regular expression matches nothing.</summary>
    internal bool Matches(in RouteFacts request)
    {
        if (_isBroken
            || (_match.Port is { } port && port != request.Port)
            || (_method is { } method && !method.Matches(request.Method))
            || !MatchesPath(request.Path)
            || (_scheme is { } scheme && !scheme.Matches(request.Scheme))
            || (_authority is { } authority && !authority.Matches(request.Host)))
        {
            return false;
        }

        foreach (var header in _headers)
        {
            if (!header.Accepts(request.Header(header.Name)))
            {
                return false;
            }
        }

        foreach (var parameter in _query)
        {
            if (!parameter.Accepts(FirstParameter(request.Query, parameter.Name)))
            {
                return false;
            }
        }

        return MatchesClaims(request.Claims);
    }

    /// <summary>What a token says is compared last: whoever has none is through with the rest.</summary>
    private bool MatchesClaims(TokenClaims? claims)
    {
        foreach (var claim in _claims)
        {
            if (!claim.Accepts(claims))
            {
                return false;
            }
        }

        return true;
    }

    private bool MatchesPath(string path)
    {
        var comparison = IgnoresCase ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;
        return PathKind switch
        {
            PathMatchKind.Exact => path.Equals(_path, comparison),
            PathMatchKind.Prefix => path.StartsWith(_path, comparison) && (path.Length == _path.Length || path[_path.Length] == '/'),
            PathMatchKind.TextPrefix => path.StartsWith(_path, comparison),
            _ => _pathRegex!.IsMatch(path),
        };
    }

    private static string? FirstParameter(string query, string name)
    {
        foreach (var range in query.AsSpan().Split('&'))
        {
            var pair = query.AsSpan(range);
            var equals = pair.IndexOf('=');
            if ((equals < 0 ? pair : pair[..equals]).SequenceEqual(name))
            {
                return equals < 0 ? "" : pair[(equals + 1)..].ToString();
            }
        }

        return null;
    }

    private static CompiledText? Of(TextMatch? match) => match is { } text ? CompiledText.Of(text) : null;

    private sealed record ClaimText(string[] Path, CompiledText Text, bool IsInverted)
    {
        internal bool Accepts(TokenClaims? claims)
        {
            if (claims is not null)
            {
                foreach (var text in claims.Find(Path).AsSpan())
                {
                    if (Text.Matches(text))
                    {
                        return !IsInverted;
                    }
                }
            }

            return IsInverted;
        }
    }

    private sealed record NamedText(string Name, CompiledText Text, bool IsInverted)
    {
        internal static NamedText Of(NamedValueMatch match) => new(match.Name, CompiledText.Of(match.Value), match.IsInverted);

        internal bool Accepts(string? value) => IsInverted
            ? !(Text.IsPresence ? value is not null : Text.Matches(value ?? ""))
            : value is not null && Text.Matches(value);
    }
}
