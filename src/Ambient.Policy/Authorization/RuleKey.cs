using System.Net;
using Ambient.Mesh;

namespace Ambient.Policy.Authorization;

/// <summary>What of a request or connection rules are found by: first what is one text.</summary>
internal enum RuleAttribute
{
    /// <summary>The peer's identity without its scheme.</summary>
    Principal,

    /// <summary>The peer's namespace.</summary>
    Namespace,

    /// <summary>The peer's namespace and service account, as the path of its identity has them.</summary>
    ServiceAccount,

    /// <summary>The peer's trust domain.</summary>
    TrustDomain,

    /// <summary>The host, in any case.</summary>
    Host,

    /// <summary>The method.</summary>
    Method,

    /// <summary>The path.</summary>
    Path,

    /// <summary>Issuer of the request's token.</summary>
    Issuer,

    /// <summary>Subject of the request's token.</summary>
    Subject,

    /// <summary>A header, by its name.</summary>
    Header,

    /// <summary>A claim of the request's token, by its path: names with <c>][</c> between them.</summary>
    Claim,

    /// <summary>The port that was connected to.</summary>
    Port,

    /// <summary>The peer's address.</summary>
    Source,

    /// <summary>The client's address.</summary>
    Remote,

    /// <summary>The address that was connected to.</summary>
    Destination,
}

/// <summary>
/// What a request must have for a matcher to match: whatever has it not gets <see cref="Verdict.No"/>, not even
/// <see cref="Verdict.Maybe"/>. Attributes of HTTP say so of requests alone.
/// </summary>
/// <param name="Attribute">The attribute.</param>
/// <param name="Match">How its text is compared: exact, prefix or suffix. Not for ports and addresses.</param>
/// <param name="Name">Name of the header or claim.</param>
/// <param name="Port">The port.</param>
/// <param name="Range">The range of addresses.</param>
internal readonly record struct RuleKey(RuleAttribute Attribute, StringMatch Match, string Name = "", int Port = 0, IPNetwork Range = default)
{
    /// <summary>Whether a connection that is none of HTTP has the attribute too.</summary>
    internal bool IsOfConnections => Attribute is RuleAttribute.Principal or RuleAttribute.Namespace or RuleAttribute.ServiceAccount
        or RuleAttribute.TrustDomain or RuleAttribute.Port or RuleAttribute.Source or RuleAttribute.Destination;

    /// <summary>Whether every part is equal.</summary>
    public bool Equals(RuleKey other) =>
        Attribute == other.Attribute && Port == other.Port && Match.Kind == other.Match.Kind
        && string.Equals(Match.Value, other.Match.Value, StringComparison.Ordinal) && string.Equals(Name, other.Name, StringComparison.Ordinal)
        && Range.PrefixLength == other.Range.PrefixLength && Range.BaseAddress.Equals(other.Range.BaseAddress);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Attribute, Match.Value, Port, Range.PrefixLength, Range.BaseAddress);

    /// <summary>A key of an attribute's text; null where any text will do.</summary>
    internal static RuleKey? Text(RuleAttribute attribute, StringMatch match, string name = "") =>
        match.Kind == StringMatchKind.Presence || (match.Kind != StringMatchKind.Exact && match.Value.Length == 0) ? null : new(attribute, match, name);

    /// <summary>A key of an address.</summary>
    internal static RuleKey Address(RuleAttribute attribute, IPNetwork range) => new(attribute, default, Range: range);
}
