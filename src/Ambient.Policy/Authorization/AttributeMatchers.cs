using System.Net;
using Ambient.Mesh;

namespace Ambient.Policy.Authorization;

/// <summary>The peer's identity without its scheme.</summary>
internal sealed class PrincipalMatcher(StringMatch match) : IRequestMatcher
{
    /// <inheritdoc/>
    public RuleKey? Key => RuleKey.Text(RuleAttribute.Principal, match);

    /// <inheritdoc/>
    public Verdict Match(in RequestContext request) => (request.Identity is { } id && match.IsMatch(id.Principal)).ToVerdict();
}

/// <summary>The namespace of the peer.</summary>
internal sealed class NamespaceMatcher(StringMatch match) : IRequestMatcher
{
    /// <inheritdoc/>
    public RuleKey? Key => RuleKey.Text(RuleAttribute.Namespace, match);

    /// <inheritdoc/>
    public Verdict Match(in RequestContext request) => match.IsMatch(request.Identity?.Namespace).ToVerdict();
}

/// <summary>The trust domain of the peer.</summary>
internal sealed class TrustDomainMatcher(StringMatch match) : IRequestMatcher
{
    /// <inheritdoc/>
    public RuleKey? Key => RuleKey.Text(RuleAttribute.TrustDomain, match);

    /// <inheritdoc/>
    public Verdict Match(in RequestContext request) => match.IsMatch(request.Identity?.TrustDomain.Name).ToVerdict();
}

/// <summary>The service account of the peer, whatever its trust domain.</summary>
internal sealed class ServiceAccountMatcher(ServiceAccountMatch account) : IRequestMatcher
{
    /// <inheritdoc/>
    public RuleKey? Key => RuleKey.Text(RuleAttribute.ServiceAccount, new(StringMatchKind.Exact, $"/ns/{account.Namespace}/sa/{account.ServiceAccount}"));

    /// <inheritdoc/>
    public Verdict Match(in RequestContext request) =>
        (request.Identity is { } id && id.ServiceAccount == account.ServiceAccount && id.Namespace == account.Namespace).ToVerdict();
}

/// <summary>The address of the peer.</summary>
internal sealed class SourceAddressMatcher(IPNetwork range) : IRequestMatcher
{
    /// <inheritdoc/>
    public RuleKey? Key => RuleKey.Address(RuleAttribute.Source, range);

    /// <inheritdoc/>
    public Verdict Match(in RequestContext request) => range.Contains(request.Source).ToVerdict();
}

/// <summary>The address of the client, as far as it is known behind the peer.</summary>
internal sealed class RemoteAddressMatcher(IPNetwork range) : IRequestMatcher
{
    /// <inheritdoc/>
    public RuleKey? Key => RuleKey.Address(RuleAttribute.Remote, range);

    /// <inheritdoc/>
    public Verdict Match(in RequestContext request) => range.Contains(request.Remote).ToVerdict();
}

/// <summary>The address that was connected to.</summary>
internal sealed class DestinationAddressMatcher(IPNetwork range) : IRequestMatcher
{
    /// <inheritdoc/>
    public RuleKey? Key => RuleKey.Address(RuleAttribute.Destination, range);

    /// <inheritdoc/>
    public Verdict Match(in RequestContext request) => range.Contains(request.Destination).ToVerdict();
}

/// <summary>The port that was connected to.</summary>
internal sealed class DestinationPortMatcher(int port) : IRequestMatcher
{
    /// <inheritdoc/>
    public RuleKey? Key => new RuleKey(RuleAttribute.Port, default, Port: port);

    /// <inheritdoc/>
    public Verdict Match(in RequestContext request) => (request.Port == port).ToVerdict();
}

/// <summary>The server name of the client's TLS. One that is known to be none matches no value; one that is not known may be any.</summary>
internal sealed class ServerNameMatcher(StringMatch match) : IRequestMatcher
{
    /// <inheritdoc/>
    public Verdict Match(in RequestContext request) =>
        request.ServerName is { } name ? (name.Length > 0 && match.IsMatch(name)).ToVerdict() : Verdict.Maybe;
}

/// <summary>The Host header, with its port, without regard to case.</summary>
internal sealed class HostMatcher(StringMatch match) : IRequestMatcher
{
    /// <inheritdoc/>
    public RuleKey? Key => RuleKey.Text(RuleAttribute.Host, match);

    /// <inheritdoc/>
    public Verdict Match(in RequestContext request) =>
        request.IsHttp ? match.IsMatch(request.Host, StringComparison.OrdinalIgnoreCase).ToVerdict() : Verdict.Maybe;
}

/// <summary>The method.</summary>
internal sealed class MethodMatcher(StringMatch match) : IRequestMatcher
{
    /// <inheritdoc/>
    public RuleKey? Key => RuleKey.Text(RuleAttribute.Method, match);

    /// <inheritdoc/>
    public Verdict Match(in RequestContext request) => request.IsHttp ? match.IsMatch(request.Method).ToVerdict() : Verdict.Maybe;
}

/// <summary>The path.</summary>
internal sealed class PathMatcher(StringMatch match) : IRequestMatcher
{
    /// <inheritdoc/>
    public RuleKey? Key => RuleKey.Text(RuleAttribute.Path, match);

    /// <inheritdoc/>
    public Verdict Match(in RequestContext request) => request.IsHttp ? match.IsMatch(request.Path).ToVerdict() : Verdict.Maybe;
}

/// <summary>The path, against a template.</summary>
internal sealed class PathTemplateMatcher(PathTemplate template) : IRequestMatcher
{
    /// <inheritdoc/>
    public RuleKey? Key => RuleKey.Text(RuleAttribute.Path, new(StringMatchKind.Prefix, template.Beginning));

    /// <inheritdoc/>
    public Verdict Match(in RequestContext request) => request.IsHttp ? template.IsMatch(request.Path).ToVerdict() : Verdict.Maybe;
}

/// <summary>A header. <c>*</c> asks whether it is there, be it empty; a missing one matches nothing.</summary>
internal sealed class HeaderMatcher(string name, StringMatch match) : IRequestMatcher
{
    /// <inheritdoc/>
    public RuleKey? Key => RuleKey.Text(RuleAttribute.Header, match, name);

    /// <inheritdoc/>
    public Verdict Match(in RequestContext request)
    {
        if (!request.IsHttp)
        {
            return Verdict.Maybe;
        }

        var value = request.Header(name);
        return (value is not null && (match.Kind == StringMatchKind.Presence || match.IsMatch(value))).ToVerdict();
    }
}

/// <summary>Issuer and subject of the request's token. A token without a subject is nobody's.</summary>
internal sealed class RequestPrincipalMatcher(StringMatch issuer, StringMatch subject) : IRequestMatcher
{
    /// <inheritdoc/>
    public RuleKey? Key => RuleKey.Text(RuleAttribute.Subject, subject) ?? RuleKey.Text(RuleAttribute.Issuer, issuer);

    /// <inheritdoc/>
    public Verdict Match(in RequestContext request) => !request.IsHttp ? Verdict.Maybe
        : (request.Claims is { } claims && issuer.IsMatch(claims.Issuer) && subject.IsMatch(claims.Subject)).ToVerdict();
}

/// <summary>A claim of the request's token: its text, or one of a list. One that is missing matches nothing.</summary>
internal sealed class ClaimMatcher(string[] path, StringMatch match) : IRequestMatcher
{
    /// <inheritdoc/>
    public RuleKey? Key => RuleKey.Text(RuleAttribute.Claim, match, string.Join(RuleIndex.ClaimSeparator, path));

    /// <inheritdoc/>
    public Verdict Match(in RequestContext request)
    {
        if (!request.IsHttp)
        {
            return Verdict.Maybe;
        }

        if (request.Claims is { } claims)
        {
            foreach (var text in claims.Find(path).AsSpan())
            {
                if (match.IsMatch(text))
                {
                    return Verdict.Yes;
                }
            }
        }

        return Verdict.No;
    }
}
