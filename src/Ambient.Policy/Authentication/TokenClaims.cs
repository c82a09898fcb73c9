using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Authentication;

/// <summary>What a verified token says of whoever sent the request: what policies and routes are asked about. Immutable.</summary>
public sealed class TokenClaims
{
    // Lists in the form of text, wherever the issuer does not say more (RFC 6749 section 3.3).
    private static readonly string[] s_alwaysSplit = ["scope", "permission"];

    private readonly ClaimValue _claims;
    private readonly Dictionary<string, ImmutableArray<string>>? _split;

    /// <summary>Takes over what a token says, as a rule reads it. Whether it is valid is the caller's to know.</summary>
    /// <param name="rule">The rule that the token was verified by.</param>
    /// <param name="token">The token.</param>
    public TokenClaims(JwtRule rule, WebToken token)
    {
        ArgumentNullException.ThrowIfNull(rule);
        ArgumentNullException.ThrowIfNull(token);
        Rule = rule;
        _claims = token.Claims;
        Issuer = token.Issuer;
        Subject = token.Subject;
        Payload = token.Payload;
        foreach (var name in s_alwaysSplit.Concat(rule.SpaceDelimitedClaims))
        {
            if (_claims.Members.GetValueOrDefault(name)?.Text is { } text)
            {
                (_split ??= new(StringComparer.Ordinal))[name] = ClaimValue.Split(text);
            }
        }
    }

    /// <summary>The rule that the token was verified by.</summary>
    public JwtRule Rule { get; }

    /// <summary><c>iss</c>.</summary>
    public string Issuer { get; }

    /// <summary><c>sub</c>; null where the token says none, and then it is no principal.</summary>
    public string? Subject { get; }

    /// <summary>The payload as it stood in the token, in base64url.</summary>
    public string Payload { get; }

    /// <summary>
    /// The texts of a claim: one of a text, of a list those of its members that are texts, of text that is a list with blanks between its parts.
    /// Empty where there is no such claim, or it is a number, a truth or an object.
    /// </summary>
    /// <param name="path">Names of objects from the outside in, and of the claim: one name of a claim of the payload itself.</param>
    public ImmutableArray<string> Find(params ReadOnlySpan<string> path)
    {
        if (path.Length == 1 && _split is not null && _split.TryGetValue(path[0], out var parts))
        {
            return parts;
        }

        return FindValue(path)?.Texts ?? [];
    }

    /// <summary>
    /// A claim as a header has it: text and truth as they are, numbers in digits, lists and objects as base64 of their JSON. Null: there is no such
    /// claim, or it is empty.
    /// </summary>
    /// <param name="claim">The claim, with dots between the names of nested ones.</param>
    public string? ToHeader(string claim)
    {
        ArgumentNullException.ThrowIfNull(claim);
        return FindValue(claim.Split('.'))?.ToHeader();
    }

    private ClaimValue? FindValue(ReadOnlySpan<string> path)
    {
        var value = path.IsEmpty ? null : _claims;
        foreach (var name in path)
        {
            value = value?.Members.GetValueOrDefault(name);
        }

        return value;
    }
}
