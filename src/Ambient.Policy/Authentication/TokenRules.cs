using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Authentication;

/// <summary>A rule, and the object that it is from.</summary>
/// <param name="Authentication">Key of the RequestAuthentication, <c>namespace/name</c>.</param>
/// <param name="Rule">The rule. Its places in the order in which they are looked at.</param>
public sealed record TokenRule(string Authentication, JwtRule Rule)
{
    /// <summary>The object, for people.</summary>
    public string Origin => Authentication == RequestAuthentication.Unnamed ? "a RequestAuthentication that istiod does not name" : $"RequestAuthentication {Authentication}";
}

/// <summary>The rules of all RequestAuthentications that apply to requests at one place, ready to be asked. Hold one per place.</summary>
public sealed class TokenRules
{
    private readonly string[] _outputs;

    private TokenRules(ImmutableArray<TokenRule> rules)
    {
        Rules = rules;
        _outputs =
        [
            .. rules.SelectMany(rule => rule.Rule.OutputClaimToHeaders.Select(output => output.Header).Append(rule.Rule.OutputPayloadToHeader))
                .Where(static name => name is not null).Distinct(StringComparer.OrdinalIgnoreCase)!,
        ];
    }

    /// <summary>No rules: tokens are nobody's business.</summary>
    public static TokenRules None { get; } = new([]);

    /// <summary>The rules, in order of their issuers: in which they are tried.</summary>
    public ImmutableArray<TokenRule> Rules { get; }

    /// <summary>Whether there are none.</summary>
    public bool IsEmpty => Rules.IsEmpty;

    /// <summary>Headers that a rule writes: what clients say there is nobody's claim, and is taken out of every request, with a token or without.</summary>
    public ReadOnlySpan<string> OutputHeaders => _outputs;

    /// <summary>Whether a header is one that a rule writes.</summary>
    internal bool Writes(string header) => _outputs.Contains(header, StringComparer.OrdinalIgnoreCase);

    /// <summary>Compiles the rules of the objects that apply.</summary>
    public static TokenRules Of(ImmutableArray<RequestAuthentication> authentications)
    {
        ImmutableArray<TokenRule> rules =
        [
            .. authentications.SelectMany(authentication => authentication.Rules.Select(rule => (authentication.Key, Rule: rule)))
                .OrderBy(rule => rule.Rule.Issuer, StringComparer.Ordinal)
                .Select(rule => new TokenRule(rule.Key, rule.Rule with { Locations = Ordered(rule.Rule.Locations) })),
        ];
        return rules.IsEmpty ? None : new TokenRules(rules);
    }

    /// <summary>Whether one of the rules is that which a token was verified by. Claims count no longer than it does.</summary>
    public bool Has(JwtRule rule)
    {
        foreach (var own in Rules.AsSpan())
        {
            if (own.Rule.Equals(rule))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>
    /// The tokens of a request, where the rules look for them. A browser's question whether it may ask (a CORS preflight) has none: it sends them with the
    /// request itself alone.
    /// </summary>
    /// <param name="method">Method.</param>
    /// <param name="query">Query without the question mark.</param>
    /// <param name="header">The value of a header, several joined with a comma; null where there is none.</param>
    public FoundTokens Find(string method, string query, Func<string, string?> header)
    {
        ArgumentNullException.ThrowIfNull(method);
        ArgumentNullException.ThrowIfNull(query);
        ArgumentNullException.ThrowIfNull(header);
        if (method == "OPTIONS" && header("origin") is not null && header("access-control-request-method") is not null)
        {
            return FoundTokens.None;
        }

        ImmutableArray<FoundToken>.Builder? found = null;
        for (var rule = 0; rule < Rules.Length; rule++)
        {
            foreach (var location in Rules[rule].Rule.Locations.AsSpan())
            {
                TokenSearch.Find(location, rule, query, header, ref found);
            }
        }

        return found is null ? FoundTokens.None : new FoundTokens(found.DrainToImmutable());
    }

    /// <summary>Headers by name and prefix, then parameters, then cookies: of several tokens the first says who it is.</summary>
    private static ImmutableArray<TokenLocation> Ordered(ImmutableArray<TokenLocation> locations) =>
    [
        .. locations.Select(location => location.Part == TokenPart.Header ? location with { Name = location.Name.ToLowerInvariant() } : location).Distinct()
            .OrderBy(location => location.Part).ThenBy(location => location.Name + location.Prefix, StringComparer.Ordinal),
    ];
}

/// <summary>A token where a rule looks for one.</summary>
/// <param name="Rule">Index of the rule.</param>
/// <param name="Location">Where it is.</param>
/// <param name="Text">The token.</param>
public readonly record struct FoundToken(int Rule, TokenLocation Location, string Text);

/// <summary>The tokens of a request, by rule.</summary>
/// <param name="Tokens">The tokens, in the order of the rules and of their places. One in a place of two rules is there for each.</param>
public sealed record FoundTokens(ImmutableArray<FoundToken> Tokens)
{
    /// <summary>Most tokens of a request that are looked at.</summary>
    public const int MaxTokens = 64;

    /// <summary>No token.</summary>
    public static FoundTokens None { get; } = new([]);

    /// <summary>Whether there is none.</summary>
    public bool IsEmpty => Tokens.IsEmpty;

    /// <summary>Whether there are more than are looked at.</summary>
    public bool IsTooMany => Tokens.Length > MaxTokens;
}
