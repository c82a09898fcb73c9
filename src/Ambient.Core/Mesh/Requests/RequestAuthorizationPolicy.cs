using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>An AuthorizationPolicy as written, for evaluation on requests.</summary>
public sealed record RequestAuthorizationPolicy
{
    /// <summary>Name.</summary>
    public required string Name { get; init; }

    /// <summary>Namespace.</summary>
    public required string Namespace { get; init; }

    /// <summary>What a match means.</summary>
    public PolicyAction Action { get; init; }

    /// <summary>CUSTOM: name of the external authorizer that is asked; empty for other actions.</summary>
    public string Provider { get; init; } = "";

    /// <summary>What the policy is attached to; empty when it selects pods or its whole namespace.</summary>
    public ImmutableArray<ObjectReference> Targets { get; init; } = [];

    /// <summary>Pod labels that the policy selects; null when it has no selector.</summary>
    public ImmutableDictionary<string, string>? Selector { get; init; }

    /// <summary>Rules, ORed. No rules: an ALLOW lets nobody in, a DENY keeps nobody out.</summary>
    public ImmutableArray<RequestRule> Rules { get; init; } = [];

    /// <summary>Whether the policy is only logged.</summary>
    public bool DryRun { get; init; }

    /// <summary>When it was created; decides order.</summary>
    public DateTimeOffset CreationTime { get; init; }

    /// <summary>Key: <c>namespace/name</c>.</summary>
    public string Key => $"{Namespace}/{Name}";

    /// <summary>Whether a rule asks for what only a request has, and a connection has not.</summary>
    public bool AsksForRequest => Rules.Any(rule => rule.AsksForRequest);

    /// <summary>Whether no layer 4 proxy evaluates the policy, whatever it asks for: it is CUSTOM or AUDIT, or on trial.</summary>
    public bool IsOfRequestsAlone => DryRun || Action is not (PolicyAction.Allow or PolicyAction.Deny);

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(RequestAuthorizationPolicy? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && Name == other.Name
            && Namespace == other.Namespace
            && Action == other.Action
            && Provider == other.Provider
            && DryRun == other.DryRun
            && CreationTime == other.CreationTime
            && StructuralEquality.Same(Targets, other.Targets)
            && StructuralEquality.Same(Selector, other.Selector)
            && StructuralEquality.Same(Rules, other.Rules));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Namespace, Action, Rules.Length, Targets.Length);
}

/// <summary>A rule: from AND to AND when. An empty list of a kind is not asked.</summary>
public sealed record RequestRule
{
    /// <summary>Sources, ORed.</summary>
    public ImmutableArray<RequestSource> From { get; init; } = [];

    /// <summary>Operations, ORed.</summary>
    public ImmutableArray<RequestOperation> To { get; init; } = [];

    /// <summary>Conditions, ANDed.</summary>
    public ImmutableArray<RequestCondition> When { get; init; } = [];

    /// <summary>What a control plane says of it besides, ANDed.</summary>
    public ImmutableArray<RequestExpression> Expressions { get; init; } = [];

    /// <summary>
    /// Fields of this rule that were read but not understood. Such a rule never allows, and as a DENY it keeps out
    /// whatever the fields that were understood do not exclude.
    /// </summary>
    public ImmutableArray<string> Unsupported { get; init; } = [];

    /// <summary>Whether the rule asks for what only a request has: host, method, path, headers, claims, or the client behind proxies.</summary>
    public bool AsksForRequest =>
        To.Any(to => !(to.Hosts.IsEmpty && to.Methods.IsEmpty && to.Paths.IsEmpty))
        || From.Any(from => !(from.RequestPrincipals.IsEmpty && from.RemoteIpBlocks.IsEmpty && from.TrustDomains.IsEmpty))
        || When.Any(when => when.Key is not ("source.ip" or "source.namespace" or "source.principal" or "destination.ip" or "destination.port"))
        || Expressions.Any(static expression => expression.AsksForRequest);

    /// <summary>Whether the rule asks for the server name of the client's TLS.</summary>
    public bool AsksForServerName =>
        When.Any(static condition => condition.Key == "connection.sni") || Expressions.Any(static expression => expression.AsksForServerName);

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(RequestRule? other) =>
        other is not null
        && StructuralEquality.Same(From, other.From)
        && StructuralEquality.Same(To, other.To)
        && StructuralEquality.Same(When, other.When)
        && StructuralEquality.Same(Expressions, other.Expressions)
        && StructuralEquality.Same(Unsupported, other.Unsupported);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(From.Length, To.Length, When.Length, Unsupported.Length);
}

/// <summary>Values that one attribute may and must not have, as written in the policy.</summary>
/// <param name="Values">One of these, unless empty.</param>
/// <param name="NotValues">None of these.</param>
public sealed record ValueMatch(ImmutableArray<string> Values, ImmutableArray<string> NotValues)
{
    /// <summary>Not asked.</summary>
    public static ValueMatch None { get; } = new([], []);

    /// <summary>Whether nothing is asked.</summary>
    public bool IsEmpty => Values.IsEmpty && NotValues.IsEmpty;

    /// <summary>Whether the values are the same, in the same order.</summary>
    public bool Equals(ValueMatch? other) =>
        ReferenceEquals(this, other)
        || (other is not null && StructuralEquality.Same(Values, other.Values) && StructuralEquality.Same(NotValues, other.NotValues));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Values.Length, NotValues.Length);
}

/// <summary>Who a request comes from; fields are ANDed.</summary>
public sealed record RequestSource
{
    /// <summary>principals, notPrincipals.</summary>
    public ValueMatch Principals { get; init; } = ValueMatch.None;

    /// <summary>requestPrincipals, notRequestPrincipals.</summary>
    public ValueMatch RequestPrincipals { get; init; } = ValueMatch.None;

    /// <summary>namespaces, notNamespaces.</summary>
    public ValueMatch Namespaces { get; init; } = ValueMatch.None;

    /// <summary>serviceAccounts, notServiceAccounts.</summary>
    public ValueMatch ServiceAccounts { get; init; } = ValueMatch.None;

    /// <summary>trustDomains, notTrustDomains.</summary>
    public ValueMatch TrustDomains { get; init; } = ValueMatch.None;

    /// <summary>ipBlocks, notIpBlocks.</summary>
    public ValueMatch IpBlocks { get; init; } = ValueMatch.None;

    /// <summary>remoteIpBlocks, notRemoteIpBlocks.</summary>
    public ValueMatch RemoteIpBlocks { get; init; } = ValueMatch.None;
}

/// <summary>What a request asks for; fields are ANDed.</summary>
public sealed record RequestOperation
{
    /// <summary>hosts, notHosts.</summary>
    public ValueMatch Hosts { get; init; } = ValueMatch.None;

    /// <summary>ports, notPorts.</summary>
    public ValueMatch Ports { get; init; } = ValueMatch.None;

    /// <summary>methods, notMethods.</summary>
    public ValueMatch Methods { get; init; } = ValueMatch.None;

    /// <summary>paths, notPaths.</summary>
    public ValueMatch Paths { get; init; } = ValueMatch.None;
}

/// <summary>A condition on an attribute.</summary>
/// <param name="Key">Attribute, for example <c>source.ip</c> or <c>request.headers[x]</c>.</param>
/// <param name="Match">Values.</param>
public sealed record RequestCondition(string Key, ValueMatch Match);
