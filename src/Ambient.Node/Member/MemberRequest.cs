using System.Collections.Immutable;
using System.Net;
using Ambient.Mesh;
using Ambient.Node.Connections;
using Ambient.Node.Requests.Tokens;
using Ambient.Policy.Authentication;
using Ambient.Policy.Authorization;
using Ambient.Policy.Routing.Requests;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;

namespace Ambient.Node.Member;

/// <summary>
/// A request to the application, as policies are asked about it: when it comes, and again as long as it lasts. What it says is copied,
/// because the application may change its own request.
/// </summary>
internal sealed class MemberRequest : IConnectionGround
{
    private readonly MemberPolicyView _policies;
    private readonly ConnectionFacts _connection;
    private KeyValuePair<string, StringValues>[] _headers = [];
    private readonly string _method;
    private string _host = "";
    private string? _path;
    private string _decodedPath = "";
    private string _query = "";
    private TokenClaims? _claims;
    private ExternalAuthorizer? _letInBy;
    private RequestPolicies? _questioned;

    /// <summary>Takes down what a request says.</summary>
    public MemberRequest(MemberPolicyView policies, HttpContext http, in ConnectionFacts connection)
    {
        _policies = policies;
        _connection = connection;
        _method = MemberRequestForm.MethodOf(http);
        TakeDown(http);
    }

    /// <summary>Why the application would see another request than policies judge; null when it would not.</summary>
    public string? Fault =>
        MemberRequestForm.ChangesMethod(_method) ? $"the method {_method} differs from a known one only in its case"
        : _path is null ? "the target has no path, or characters that no path has"
        : null;

    /// <summary>Its tokens, where the rules look for them.</summary>
    public FoundTokens FindTokens(TokenRules rules) => rules.Find(_method, _query, Header);

    /// <summary>Its tokens pass: makes the changes that their rules ask for, and takes down what it says now.</summary>
    public void Admit(HttpContext http, TokenRules rules, FoundTokens found, AuthenticationDecision decision)
    {
        foreach (var (header, value) in TokenEdits.Outputs(decision))
        {
            http.Request.Headers.Append(header, value);
        }

        foreach (var location in TokenEdits.Removed(rules, found, decision))
        {
            if (location.Part == TokenPart.Header)
            {
                http.Request.Headers.Remove(location.Name);
            }
            else
            {
                _query = TokenSearch.WithoutParameter(_query, location.Name);
                http.Request.QueryString = _query.Length == 0 ? QueryString.Empty : new QueryString($"?{_query}");
            }
        }

        _headers = [.. http.Request.Headers];
        _claims = decision.Claims;
    }

    /// <summary>The external authorizer that CUSTOM policies name; null: there is none to ask.</summary>
    public ExternalAuthorizer? Authorizer => _policies.Current?.Authorizer;

    /// <summary>Do CUSTOM policies want an external authorizer asked about it? Asked of its path as the mesh normalizes it, and as the application sees it.</summary>
    public AuthorizationDecision Question()
    {
        if (_policies.Current is not { } policies)
        {
            return default;
        }

        _questioned = policies.Requests;
        var decision = policies.Question(Facts(_path!));
        return decision.Reason == AuthorizationReason.NoPolicy && _path != _decodedPath ? policies.Question(Facts(_decodedPath)) : decision;
    }

    /// <summary>An external authorizer lets it in: takes down what it says now.</summary>
    /// <param name="http">The request as the authorizer has left it; null: nothing was changed.</param>
    /// <param name="authorizer">Whose word it is.</param>
    public void LetIn(HttpContext? http, ExternalAuthorizer authorizer)
    {
        _letInBy = authorizer;
        if (http is not null)
        {
            TakeDown(http);
        }
    }

    /// <summary>May the connection that it came on be here?</summary>
    public AuthorizationDecision AuthorizeConnection() => _policies.Current?.Authorize(_connection) ?? default;

    /// <summary>May it be answered? Asked of its path as the mesh normalizes it, and as the application sees it.</summary>
    public AuthorizationDecision Authorize()
    {
        if (_policies.Current is not { } policies)
        {
            return default;
        }

        // What a token says counts as long as the rule that vouched for it.
        var claims = _claims is { } said && policies.Tokens.Has(said.Rule) ? said : null;
        var decision = policies.Authorize(Facts(_path!) with { Claims = claims });
        return decision.IsAllowed && _path != _decodedPath ? policies.Authorize(Facts(_decodedPath) with { Claims = claims }) : decision;
    }

    /// <summary>What policies that decide nothing say of it.</summary>
    public ImmutableArray<PolicyNote> Notes() => _policies.Current?.Notes(Facts(_path!)) ?? [];

    /// <inheritdoc/>
    public ConnectionObjection? ObjectionIn(MeshSnapshot mesh) =>
        AuthorizeConnection() is { IsAllowed: false } connection ? new ConnectionObjection(ConnectionEnd.PolicyChange, connection.ToString())
        : Authorize() is { IsAllowed: false } request ? new ConnectionObjection(ConnectionEnd.PolicyChange, request.ToString())
        : null;

    private RequestFacts Facts(string path) => new()
    {
        Identity = _connection.Identity,
        Source = _connection.Source,
        Destination = _connection.Destination,
        Method = _method,
        Host = _host,
        Path = path,
        Query = _query,
        Header = Header,
        Claims = _claims,
        LetInBy = _letInBy,
        Questioned = _questioned,
    };

    private void TakeDown(HttpContext http)
    {
        _headers = [.. http.Request.Headers];
        _host = http.Request.Headers.Host.ToString();
        _decodedPath = http.Request.Path.Value ?? "";
        var target = http.Features.Get<IHttpRequestFeature>()?.RawTarget;
        (_path, _query) = RequestPath.TryParse(string.IsNullOrEmpty(target) ? _decodedPath : target, out var path, _policies.PathNormalization)
            ? ((string?)path.Path, path.Query)
            : (null, "");
    }

    private string? Header(string name)
    {
        foreach (var (header, values) in _headers)
        {
            if (header.Equals(name, StringComparison.OrdinalIgnoreCase))
            {
                return values.Count == 1 ? values[0]?.Trim(' ', '\t') : string.Join(',', values.Select(value => value?.Trim(' ', '\t')));
            }
        }

        return null;
    }
}
