using System.Collections.Immutable;
using System.Net;

namespace Ambient.Mesh;

/// <summary>
/// An L4 authorization policy as a ztunnel sees it: field for field the <c>istio.security.Authorization</c> message.
/// Rules are ORed; clauses of a rule are ANDed; matches of a clause are ORed; fields of a match are ANDed;
/// values of a field are ORed.
/// </summary>
public sealed record AuthorizationPolicy
{
    /// <summary>Name.</summary>
    public required string Name
    {
        get;
        init => (field, _key) = (value, null);
    }

    /// <summary>Namespace.</summary>
    public required string Namespace
    {
        get;
        init => (field, _key) = (value, null);
    }

    /// <summary>Which workloads the policy applies to.</summary>
    public PolicyScope Scope { get; init; }

    /// <summary>What a match means.</summary>
    public PolicyAction Action { get; init; }

    /// <summary>Rules. A policy without rules never matches.</summary>
    public ImmutableArray<PolicyRule> Rules { get; init; } = [];

    /// <summary>Whether the policy is only logged.</summary>
    public bool DryRun { get; init; }

    /// <summary>Key of the policy: <c>namespace/name</c>.</summary>
    public string Key => _key ??= $"{Namespace}/{Name}";

    private string? _key;

    /// <summary>Whether every field is equal, rules by content.</summary>
    public bool Equals(AuthorizationPolicy? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && Name == other.Name
            && Namespace == other.Namespace
            && Scope == other.Scope
            && Action == other.Action
            && DryRun == other.DryRun
            && StructuralEquality.Same(Rules, other.Rules));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Namespace, Scope, Action, DryRun, Rules.Length);
}

/// <summary>Which workloads an L4 policy applies to.</summary>
public enum PolicyScope
{
    /// <summary>All.</summary>
    Global = 0,

    /// <summary>Those of the policy's namespace.</summary>
    Namespace = 1,

    /// <summary>Those that list the policy.</summary>
    WorkloadSelector = 2,
}

/// <summary>What a matching policy means.</summary>
public enum PolicyAction
{
    /// <summary>Let in.</summary>
    Allow = 0,

    /// <summary>Keep out; goes before every allow.</summary>
    Deny = 1,

    /// <summary>Record only (L7).</summary>
    Audit = 2,

    /// <summary>Ask an external authorizer (L7).</summary>
    Custom = 3,
}

/// <summary>One rule: all clauses must match. A rule without clauses matches everything.</summary>
/// <param name="Clauses">Clauses.</param>
public sealed record PolicyRule(ImmutableArray<PolicyClause> Clauses)
{
    /// <inheritdoc/>
    public bool Equals(PolicyRule? other) => other is not null && StructuralEquality.Same(Clauses, other.Clauses);

    /// <inheritdoc/>
    public override int GetHashCode() => Clauses.Length;
}

/// <summary>One clause: any match will do. A clause without matches is true.</summary>
/// <param name="Matches">Matches.</param>
public sealed record PolicyClause(ImmutableArray<PolicyMatch> Matches)
{
    /// <inheritdoc/>
    public bool Equals(PolicyClause? other) => other is not null && StructuralEquality.Same(Matches, other.Matches);

    /// <inheritdoc/>
    public override int GetHashCode() => Matches.Length;
}

/// <summary>One match: every given field must hold. A match without any field never matches.</summary>
public sealed record PolicyMatch
{
    /// <summary>Namespaces of the peer.</summary>
    public ImmutableArray<StringMatch> Namespaces { get; init; } = [];

    /// <summary>Namespaces the peer must not have.</summary>
    public ImmutableArray<StringMatch> NotNamespaces { get; init; } = [];

    /// <summary>Principals of the peer, without <c>spiffe://</c>.</summary>
    public ImmutableArray<StringMatch> Principals { get; init; } = [];

    /// <summary>Principals the peer must not have.</summary>
    public ImmutableArray<StringMatch> NotPrincipals { get; init; } = [];

    /// <summary>Service accounts of the peer, whatever the trust domain.</summary>
    public ImmutableArray<ServiceAccountMatch> ServiceAccounts { get; init; } = [];

    /// <summary>Service accounts the peer must not have.</summary>
    public ImmutableArray<ServiceAccountMatch> NotServiceAccounts { get; init; } = [];

    /// <summary>Source addresses.</summary>
    public ImmutableArray<IPNetwork> SourceIPs { get; init; } = [];

    /// <summary>Source addresses that do not match.</summary>
    public ImmutableArray<IPNetwork> NotSourceIPs { get; init; } = [];

    /// <summary>Destination addresses.</summary>
    public ImmutableArray<IPNetwork> DestinationIPs { get; init; } = [];

    /// <summary>Destination addresses that do not match.</summary>
    public ImmutableArray<IPNetwork> NotDestinationIPs { get; init; } = [];

    /// <summary>Destination ports.</summary>
    public ImmutableArray<int> DestinationPorts { get; init; } = [];

    /// <summary>Destination ports that do not match.</summary>
    public ImmutableArray<int> NotDestinationPorts { get; init; } = [];

    /// <summary>Whether every field has the same values in the same order.</summary>
    public bool Equals(PolicyMatch? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && StructuralEquality.Same(Namespaces, other.Namespaces)
            && StructuralEquality.Same(NotNamespaces, other.NotNamespaces)
            && StructuralEquality.Same(Principals, other.Principals)
            && StructuralEquality.Same(NotPrincipals, other.NotPrincipals)
            && StructuralEquality.Same(ServiceAccounts, other.ServiceAccounts)
            && StructuralEquality.Same(NotServiceAccounts, other.NotServiceAccounts)
            && StructuralEquality.Same(SourceIPs, other.SourceIPs)
            && StructuralEquality.Same(NotSourceIPs, other.NotSourceIPs)
            && StructuralEquality.Same(DestinationIPs, other.DestinationIPs)
            && StructuralEquality.Same(NotDestinationIPs, other.NotDestinationIPs)
            && StructuralEquality.Same(DestinationPorts, other.DestinationPorts)
            && StructuralEquality.Same(NotDestinationPorts, other.NotDestinationPorts));

    /// <inheritdoc/>
    public override int GetHashCode() =>
        HashCode.Combine(Namespaces.Length, Principals.Length, ServiceAccounts.Length, SourceIPs.Length, DestinationPorts.Length);
}

/// <summary>How a string value is compared.</summary>
public enum StringMatchKind
{
    /// <summary>The whole value.</summary>
    Exact,

    /// <summary>Its beginning.</summary>
    Prefix,

    /// <summary>Its end.</summary>
    Suffix,

    /// <summary>Present and not empty.</summary>
    Presence,
}

/// <summary>A string comparison: exact, prefix, suffix or presence. Case-sensitive.</summary>
/// <param name="Kind">How.</param>
/// <param name="Value">With what; empty for presence.</param>
public readonly record struct StringMatch(StringMatchKind Kind, string Value)
{
    /// <summary>Reads the form that policies use: <c>abc</c>, <c>abc*</c>, <c>*abc</c>, <c>*</c>.</summary>
    public static StringMatch Parse(string pattern)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        return pattern switch
        {
            "*" => new(StringMatchKind.Presence, ""),
            _ when pattern.StartsWith('*') => new(StringMatchKind.Suffix, pattern[1..]),
            _ when pattern.EndsWith('*') => new(StringMatchKind.Prefix, pattern[..^1]),
            _ => new(StringMatchKind.Exact, pattern),
        };
    }

    /// <summary>Whether <paramref name="value"/> matches, case included. An empty value matches nothing.</summary>
    public bool IsMatch(ReadOnlySpan<char> value) =>
        !value.IsEmpty && Kind switch
        {
            StringMatchKind.Exact => value.SequenceEqual(Value),
            StringMatchKind.Prefix => value.StartsWith(Value),
            StringMatchKind.Suffix => value.EndsWith(Value),
            _ => true,
        };

    /// <summary>Whether <paramref name="value"/> matches by another comparison. An empty value matches nothing.</summary>
    public bool IsMatch(ReadOnlySpan<char> value, StringComparison comparison) =>
        !value.IsEmpty && Kind switch
        {
            StringMatchKind.Exact => value.Equals(Value, comparison),
            StringMatchKind.Prefix => value.StartsWith(Value, comparison),
            StringMatchKind.Suffix => value.EndsWith(Value, comparison),
            _ => true,
        };
}

/// <summary>A service account of a namespace.</summary>
/// <param name="Namespace">Namespace.</param>
/// <param name="ServiceAccount">Service account.</param>
public readonly record struct ServiceAccountMatch(string Namespace, string ServiceAccount);
