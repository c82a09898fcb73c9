namespace Ambient.Policy.Authorization;

/// <summary>Why a decision came out as it did.</summary>
public enum AuthorizationReason
{
    /// <summary>Nothing was decided. Only <c>default</c> has this reason, and it lets nobody in.</summary>
    Undecided,

    /// <summary>No ALLOW policy applies, and no DENY matched.</summary>
    NoPolicy,

    /// <summary>An ALLOW policy matched.</summary>
    AllowedByPolicy,

    /// <summary>A DENY policy matched.</summary>
    DeniedByPolicy,

    /// <summary>ALLOW policies apply, but none matched.</summary>
    NoAllowMatched,

    /// <summary>A CUSTOM policy matched, and there is no external authorizer to ask: the one that it names is not configured, or others name another one.</summary>
    NoExternalAuthorizer,

    /// <summary>A CUSTOM policy matched, and its external authorizer has not been asked.</summary>
    AsksExternalAuthorizer,

    /// <summary>The external authorizer refused.</summary>
    DeniedByExternalAuthorizer,

    /// <summary>The external authorizer failed: it could not be reached, or gave no answer that can be used.</summary>
    ExternalAuthorizerFailed,
}

/// <summary>
/// A decision with its reason: every denial can name the policy, or a policy that did not allow. A value, so that
/// deciding allocates nothing.
/// </summary>
public readonly record struct AuthorizationDecision
{
    private readonly int _rule;

    private AuthorizationDecision(AuthorizationReason reason, string? policy, int rule)
    {
        Reason = reason;
        Policy = policy;
        _rule = rule + 1;
    }

    /// <summary>Let in because nothing says otherwise.</summary>
    public static AuthorizationDecision NoPolicy { get; } = new(AuthorizationReason.NoPolicy, null, -1);

    /// <summary>Whether to let in.</summary>
    public bool IsAllowed => Reason is AuthorizationReason.NoPolicy or AuthorizationReason.AllowedByPolicy;

    /// <summary>Why.</summary>
    public AuthorizationReason Reason { get; }

    /// <summary>Policy (<c>namespace/name</c>) that decided. For <see cref="AuthorizationReason.NoAllowMatched"/>, the first ALLOW policy that applied.</summary>
    public string? Policy { get; }

    /// <summary>Index of the rule that matched, or null.</summary>
    public int? Rule => _rule > 0 ? _rule - 1 : null;

    /// <summary>
    /// The part of Envoy's response code details that names policy and rule, <c>ns[x]-policy[y]-rule[0]</c>, or
    /// <c>none</c> when no rule matched.
    /// </summary>
    public string RuleText =>
        Rule is { } rule && Policy?.Split('/', 2) is [var ns, var name] ? $"ns[{ns}]-policy[{name}]-rule[{rule}]" : "none";

    /// <summary>Let in by a policy.</summary>
    public static AuthorizationDecision AllowedBy(string policy, int rule) => new(AuthorizationReason.AllowedByPolicy, policy, rule);

    /// <summary>Kept out by a policy.</summary>
    public static AuthorizationDecision DeniedBy(string policy, int rule) => new(AuthorizationReason.DeniedByPolicy, policy, rule);

    /// <summary>Kept out because none of the ALLOW policies matched.</summary>
    public static AuthorizationDecision NoneAllowed(string firstPolicy) => new(AuthorizationReason.NoAllowMatched, firstPolicy, -1);

    /// <summary>Kept out because a CUSTOM policy matched that nobody can be asked about.</summary>
    public static AuthorizationDecision NobodyToAsk(string policy, int rule) => new(AuthorizationReason.NoExternalAuthorizer, policy, rule);

    /// <summary>Kept out unless the external authorizer of a CUSTOM policy that matched says otherwise.</summary>
    public static AuthorizationDecision Ask(string policy, int rule) => new(AuthorizationReason.AsksExternalAuthorizer, policy, rule);

    /// <summary>Kept out by the external authorizer of a CUSTOM policy.</summary>
    public static AuthorizationDecision DeniedExternally(string policy, int rule) => new(AuthorizationReason.DeniedByExternalAuthorizer, policy, rule);

    /// <summary>Kept out because the external authorizer of a CUSTOM policy failed.</summary>
    public static AuthorizationDecision FailedExternally(string policy, int rule) => new(AuthorizationReason.ExternalAuthorizerFailed, policy, rule);

    /// <summary>The reference's words for a denial, with the policy named.</summary>
    public override string ToString() => Reason switch
    {
        AuthorizationReason.DeniedByPolicy => $"explicitly denied by: {Policy}",
        AuthorizationReason.NoAllowMatched => $"allow policies exist, but none allowed (for example {Policy})",
        AuthorizationReason.NoExternalAuthorizer => $"no external authorizer for: {Policy}",
        AuthorizationReason.AsksExternalAuthorizer => $"the external authorizer was not asked for: {Policy}",
        AuthorizationReason.DeniedByExternalAuthorizer => $"the external authorizer denied for: {Policy}",
        AuthorizationReason.ExternalAuthorizerFailed => $"the external authorizer failed for: {Policy}",
        AuthorizationReason.AllowedByPolicy => $"allowed by: {Policy}",
        AuthorizationReason.NoPolicy => "no policy applies",
        _ => "undecided",
    };
}
