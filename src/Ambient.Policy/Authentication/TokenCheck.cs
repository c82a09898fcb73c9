using Ambient.Mesh;

namespace Ambient.Policy.Authentication;

/// <summary>Whether a token is what a rule asks for. The order of the questions is Envoy's, for it shows in the answers.</summary>
public static class TokenCheck
{
    /// <summary>How far an issuer's clock may be from ours.</summary>
    public static TimeSpan ClockSkew { get; } = TimeSpan.FromSeconds(60);

    /// <summary>Everything but the signature: issuer, time, audience. <see cref="TokenStatus.Valid"/> says that the signature is worth looking at.</summary>
    /// <param name="token">The token.</param>
    /// <param name="rule">The rule.</param>
    /// <param name="now">The time.</param>
    public static TokenStatus CheckClaims(WebToken token, JwtRule rule, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(token);
        ArgumentNullException.ThrowIfNull(rule);
        if (token.Issuer != rule.Issuer)
        {
            return TokenStatus.UnknownIssuer;
        }

        var seconds = (decimal)now.ToUnixTimeSeconds();
        var skew = (decimal)ClockSkew.TotalSeconds;
        return token.NotBefore is { } begin && seconds + skew < begin ? TokenStatus.NotYetValid
            : token.ExpiresAt is { } end && seconds > end + skew ? TokenStatus.Expired
            : !rule.Audiences.IsEmpty && !token.Audiences.Any(audience => IsAllowed(audience, rule)) ? TokenStatus.AudienceNotAllowed
            : TokenStatus.Valid;
    }

    /// <summary>The signature, by the issuer's keys.</summary>
    public static TokenStatus CheckSignature(WebToken token, KeyLookup keys) => keys.Keys is { } known ? known.Verify(token) : keys.Status;

    private static bool IsAllowed(string audience, JwtRule rule)
    {
        foreach (var allowed in rule.Audiences.AsSpan())
        {
            if (Canonical(audience).SequenceEqual(Canonical(allowed)))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Without scheme and without a slash at the end, as the original compares audiences.</summary>
    private static ReadOnlySpan<char> Canonical(ReadOnlySpan<char> audience)
    {
        audience = audience.StartsWith("https://", StringComparison.Ordinal) ? audience[8..]
            : audience.StartsWith("http://", StringComparison.Ordinal) ? audience[7..]
            : audience;
        return audience.EndsWith("/", StringComparison.Ordinal) ? audience[..^1] : audience;
    }
}
