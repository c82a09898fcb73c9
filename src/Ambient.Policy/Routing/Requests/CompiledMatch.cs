using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>One match of a rule, ready to be asked.</summary>
internal sealed class CompiledMatch
{
    private readonly PathMatchKind _pathKind;
    private readonly string _path;
    private readonly string? _method;
    private readonly BoundedRegex? _pathRegex;
    private readonly NamedValue[] _headers;
    private readonly NamedValue[] _query;
    private readonly bool _isBroken;

    internal CompiledMatch(HttpRouteMatch match)
    {
        _pathKind = match.Path.Kind;
        _path = _pathKind == PathMatchKind.Prefix ? match.Path.Value.TrimEnd('/') : match.Path.Value;
        _method = match.Method;
        _isBroken = _pathKind == PathMatchKind.RegularExpression && !BoundedRegex.TryParse(_path, out _pathRegex);

        // Of several comparisons of one name only the first counts.
        _headers = [.. match.Headers.DistinctBy(header => header.Name, StringComparer.OrdinalIgnoreCase).Select(Compile)];
        _query = [.. match.QueryParams.DistinctBy(parameter => parameter.Name).Select(Compile)];
        _isBroken |= _headers.Concat(_query).Any(value => value.IsBroken);
    }

    internal int PathLength => _path.Length;

    internal int HeaderCount => _headers.Length;

    internal int QueryCount => _query.Length;

    /// <summary>What the request's path has beyond the prefix; null when the match is not by prefix.</summary>
    internal string? BeyondPrefix(string path) => _pathKind == PathMatchKind.Prefix ? path[Math.Min(_path.Length, path.Length)..] : null;

    /// <summary>Whether a request matches. A match with a broken regular expression matches nothing.</summary>
    internal bool Matches(in RouteFacts request)
    {
        if (_isBroken || (_method is not null && _method != request.Method) || !MatchesPath(request.Path))
        {
            return false;
        }

        foreach (var header in _headers)
        {
            if (request.Header(header.Name) is not { } value || !header.Matches(value))
            {
                return false;
            }
        }

        foreach (var parameter in _query)
        {
            if (FirstParameter(request.Query, parameter.Name) is not { } value || !parameter.Matches(value))
            {
                return false;
            }
        }

        return true;
    }

    private bool MatchesPath(string path) => _pathKind switch
    {
        PathMatchKind.Exact => path == _path,
        PathMatchKind.Prefix => path.StartsWith(_path, StringComparison.Ordinal) && (path.Length == _path.Length || path[_path.Length] == '/'),
        _ => _pathRegex!.IsMatch(path),
    };

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

    private static NamedValue Compile(NamedValueMatch match)
    {
        BoundedRegex? regex = null;
        var isBroken = match.IsRegularExpression && !BoundedRegex.TryParse(match.Value, out regex);
        return new NamedValue(match.Name, match.Value, regex, isBroken);
    }

    private sealed record NamedValue(string Name, string Value, BoundedRegex? Regex, bool IsBroken)
    {
        internal bool Matches(string value) => Regex is null ? value == Value : Regex.IsMatch(value);
    }
}
