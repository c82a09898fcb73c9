using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using Ambient.Mesh;

namespace Ambient.Policy.Authorization;

/// <summary>Turns a rule as written into matchers. What it cannot read becomes <see cref="Undecidable"/>.</summary>
internal sealed class RequestRuleCompiler(RequestConfiguration configuration, string policyNamespace)
{
    private const string HeaderKey = "request.headers[";
    private const string ClaimKey = "request.auth.claims[";

    internal IRequestMatcher Compile(RequestRule rule)
    {
        var parts = ImmutableArray.CreateBuilder<IRequestMatcher>();
        if (!rule.From.IsDefaultOrEmpty)
        {
            parts.Add(new AnyOf([.. rule.From.Select(Source)]));
        }

        if (!rule.To.IsDefaultOrEmpty)
        {
            parts.Add(new AnyOf([.. rule.To.Select(Operation)]));
        }

        if (!rule.When.IsDefaultOrEmpty)
        {
            parts.AddRange(rule.When.Select(Condition));
        }

        if (!rule.Expressions.IsDefaultOrEmpty)
        {
            parts.AddRange(rule.Expressions.Select(ExpressionCompiler.Compile));
        }

        if (!rule.Unsupported.IsDefaultOrEmpty)
        {
            parts.Add(Undecidable.Instance);
        }

        return new AllOf(parts.DrainToImmutable());
    }

    private AllOf Source(RequestSource source) => Fields(
        Field(source.Principals, Principal),
        Field(source.RequestPrincipals, RequestPrincipal),
        Field(source.Namespaces, Namespace),
        Field(source.ServiceAccounts, ServiceAccount),
        Field(source.TrustDomains, value => new TrustDomainMatcher(StringMatch.Parse(value))),
        Field(source.IpBlocks, value => Range(value, range => new SourceAddressMatcher(range))),
        Field(source.RemoteIpBlocks, value => Range(value, range => new RemoteAddressMatcher(range))));

    private static AllOf Operation(RequestOperation operation) => Fields(
        Field(operation.Hosts, value => new HostMatcher(StringMatch.Parse(value))),
        Field(operation.Ports, Port),
        Field(operation.Methods, value => new MethodMatcher(StringMatch.Parse(value))),
        Field(operation.Paths, Path));

    private IRequestMatcher Condition(RequestCondition condition)
    {
        Func<string, IRequestMatcher>? matcher = condition.Key switch
        {
            "source.ip" => value => Range(value, range => new SourceAddressMatcher(range)),
            "remote.ip" => value => Range(value, range => new RemoteAddressMatcher(range)),
            "source.namespace" => Namespace,
            "source.principal" => Principal,
            "source.serviceAccount" => ServiceAccount,
            "source.trustDomain" => value => new TrustDomainMatcher(StringMatch.Parse(value)),
            "destination.ip" => value => Range(value, range => new DestinationAddressMatcher(range)),
            "destination.port" => Port,
            "connection.sni" => value => new ServerNameMatcher(StringMatch.Parse(value)),
            "request.auth.principal" => RequestPrincipal,
            "request.auth.audiences" => value => new ClaimMatcher(["aud"], StringMatch.Parse(value)),
            "request.auth.presenter" => value => new ClaimMatcher(["azp"], StringMatch.Parse(value)),
            _ when ClaimPath(condition.Key) is { } path => value => new ClaimMatcher(path, StringMatch.Parse(value)),
            _ when HeaderName(condition.Key) is { } name => value => new HeaderMatcher(name, StringMatch.Parse(value)),
            _ => null,
        };
        return (matcher is null ? null : Field(condition.Match, matcher)) ?? Undecidable.Instance;
    }

    /// <summary>Pseudo-headers are those of every request (RFC 9113 section 8.3.1); <c>:path</c> has the query.</summary>
    private static string? HeaderName(string key) =>
        key.StartsWith(HeaderKey, StringComparison.Ordinal) && key.EndsWith(']') && key.Length > HeaderKey.Length + 1
        && (key[HeaderKey.Length] != ':' || key[HeaderKey.Length..^1] is ":authority" or ":method" or ":path" or ":scheme")
            ? key[HeaderKey.Length..^1]
            : null;

    /// <summary>Names in brackets, one after the other, from the outside in; null: it is no claim, or not written as one.</summary>
    private static string[]? ClaimPath(string key)
    {
        if (!key.StartsWith(ClaimKey, StringComparison.Ordinal) || !key.EndsWith(']'))
        {
            return null;
        }

        var path = key[ClaimKey.Length..^1].Split("][");
        return path.Any(static name => name.Length == 0 || name.AsSpan().ContainsAny('[', ']')) ? null : path;
    }

    /// <summary>
    /// Issuer and subject with a slash between, the last one, for issuers are URLs. A star at the beginning stands in the issuer, one at the end in the
    /// subject; without a slash it stands for all of the other.
    /// </summary>
    private static RequestPrincipalMatcher RequestPrincipal(string value)
    {
        var slash = value.LastIndexOf('/');
        var (issuer, subject) = slash < 0 ? (value, "") : (value[..slash], value[(slash + 1)..]);
        if (value == "*")
        {
            return new RequestPrincipalMatcher(StringMatch.Parse("*"), StringMatch.Parse("*"));
        }

        if (value.StartsWith('*'))
        {
            return slash < 0
                ? new RequestPrincipalMatcher(StringMatch.Parse("*"), StringMatch.Parse(value))
                : new RequestPrincipalMatcher(StringMatch.Parse(issuer), new StringMatch(StringMatchKind.Exact, subject));
        }

        return value.EndsWith('*') && slash < 0
            ? new RequestPrincipalMatcher(StringMatch.Parse(value), StringMatch.Parse("*"))
            : new RequestPrincipalMatcher(new StringMatch(StringMatchKind.Exact, issuer), StringMatch.Parse(subject));
    }

    /// <summary>A source or operation that asks nothing is not valid, so nothing is known of it.</summary>
    private static AllOf Fields(params ReadOnlySpan<IRequestMatcher?> fields)
    {
        var asked = ImmutableArray.CreateBuilder<IRequestMatcher>();
        foreach (var field in fields)
        {
            if (field is not null)
            {
                asked.Add(field);
            }
        }

        return new AllOf(asked.Count == 0 ? [Undecidable.Instance] : asked.DrainToImmutable());
    }

    private static IRequestMatcher? Field(ValueMatch match, Func<string, IRequestMatcher> matcher)
    {
        if (match.Values.IsDefaultOrEmpty && match.NotValues.IsDefaultOrEmpty)
        {
            return null;
        }

        var wanted = match.Values.IsDefaultOrEmpty ? null : new AnyOf([.. match.Values.Select(matcher)]);
        var unwanted = match.NotValues.IsDefaultOrEmpty ? null : new Not(new AnyOf([.. match.NotValues.Select(matcher)]));
        return wanted is null ? unwanted : unwanted is null ? wanted : new AllOf([wanted, unwanted]);
    }

    /// <summary>
    /// A principal of the mesh's own trust domain, which <c>cluster.local</c> stands for, is one of every alias too.
    /// </summary>
    private IRequestMatcher Principal(string value)
    {
        var parts = value.Split('/');
        if (parts.Length != 5 || !IsOwnTrustDomain(parts[0]))
        {
            return new PrincipalMatcher(StringMatch.Parse(value));
        }

        var path = value[parts[0].Length..];
        return new AnyOf([.. configuration.TrustDomainAliases
            .Prepend(configuration.TrustDomain)
            .Select(trustDomain => new PrincipalMatcher(StringMatch.Parse(trustDomain + path)))]);
    }

    private bool IsOwnTrustDomain(string name) =>
        name == "cluster.local" || name == configuration.TrustDomain || configuration.TrustDomainAliases.Contains(name);

    private static NamespaceMatcher Namespace(string value) => new(StringMatch.Parse(value));

    private ServiceAccountMatcher ServiceAccount(string value)
    {
        var slash = value.IndexOf('/', StringComparison.Ordinal);
        return new(slash < 0 ? new(policyNamespace, value) : new(value[..slash], value[(slash + 1)..]));
    }

    private static IRequestMatcher Port(string value) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and <= ushort.MaxValue
            ? new DestinationPortMatcher(port)
            : Undecidable.Instance;

    private static IRequestMatcher Path(string value)
    {
        if (!PathTemplate.IsTemplate(value))
        {
            return new PathMatcher(StringMatch.Parse(value));
        }

        return PathTemplate.TryParse(value, out var template) ? new PathTemplateMatcher(template) : Undecidable.Instance;
    }

    private static IRequestMatcher Range(string value, Func<IPNetwork, IRequestMatcher> matcher) =>
        TryParseRange(value, out var range) ? matcher(range.Value) : Undecidable.Instance;

    /// <summary>An address, or a range; host bits beyond the prefix are allowed, as in Kubernetes objects.</summary>
    private static bool TryParseRange(string value, [NotNullWhen(true)] out IPNetwork? range)
    {
        range = null;
        var slash = value.IndexOf('/', StringComparison.Ordinal);
        if (!IPAddress.TryParse(slash < 0 ? value : value.AsSpan(0, slash), out var address))
        {
            return false;
        }

        var bytes = address.GetAddressBytes();
        var length = bytes.Length * 8;
        if (slash >= 0
            && (!int.TryParse(value.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out length) || length > bytes.Length * 8))
        {
            return false;
        }

        for (var bit = length; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        }

        range = new IPNetwork(new IPAddress(bytes), length);
        return true;
    }
}
