using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Policy.Authentication;
using NamedKey = Ambient.Policy.Tests.Authentication.TokenText.NamedKey;

namespace Ambient.Policy.Tests.Authentication;

public sealed class TokenCheckTests
{
    private static readonly DateTimeOffset s_now = DateTimeOffset.FromUnixTimeSeconds(1_000_000);

    [Theory]
    [InlineData("""{"iss":"i"}""", TokenStatus.Valid)]
    [InlineData("""{"iss":"I"}""", TokenStatus.UnknownIssuer)]
    [InlineData("""{"iss":"i/"}""", TokenStatus.UnknownIssuer)]
    [InlineData("{}", TokenStatus.UnknownIssuer)]
    [InlineData("""{"iss":"i","exp":999940}""", TokenStatus.Valid)]
    [InlineData("""{"iss":"i","exp":999939}""", TokenStatus.Expired)]
    [InlineData("""{"iss":"i","exp":0}""", TokenStatus.Expired)]
    [InlineData("""{"iss":"i","nbf":1000060}""", TokenStatus.Valid)]
    [InlineData("""{"iss":"i","nbf":1000061}""", TokenStatus.NotYetValid)]
    [InlineData("""{"iss":"i","nbf":18446744073709549568,"exp":1}""", TokenStatus.NotYetValid)]
    public void IssuerAndTime_WithAMinuteOfSkew(string payload, TokenStatus expected) =>
        Assert.Equal(expected, TokenCheck.CheckClaims(TokenText.Read(payload), new JwtRule { Issuer = "i" }, s_now));

    [Theory]
    [InlineData("""{"iss":"i","aud":"one"}""", true)]
    [InlineData("""{"iss":"i","aud":["zzz","one"]}""", true)]
    [InlineData("""{"iss":"i","aud":"zzz"}""", false)]
    [InlineData("""{"iss":"i","aud":[]}""", false)]
    [InlineData("""{"iss":"i"}""", false)]
    [InlineData("""{"iss":"i","aud":"https://two.example/"}""", true)]
    [InlineData("""{"iss":"i","aud":"two.example"}""", true)]
    [InlineData("""{"iss":"i","aud":"http://two.example"}""", true)]
    [InlineData("""{"iss":"i","aud":"https://two.example/x"}""", false)]
    public void Audience_OneOfTheRules(string payload, bool allowed) => Assert.Equal(
        allowed ? TokenStatus.Valid : TokenStatus.AudienceNotAllowed,
        TokenCheck.CheckClaims(TokenText.Read(payload), new JwtRule { Issuer = "i", Audiences = ["one", "https://two.example"] }, s_now));

    /// <summary>Which keys a token is tried with: by its kid and alg, and only those of the kind that its algorithm is for.</summary>
    [Theory]
    [InlineData("""{"alg":"RS256","kid":"k1"}""", "one", TokenStatus.Valid)]
    [InlineData("""{"alg":"RS256","kid":"k2"}""", "one", TokenStatus.VerificationFailed)]
    [InlineData("""{"alg":"RS256","kid":"k9"}""", "one", TokenStatus.VerificationFailed)] // the key without a name is tried
    [InlineData("""{"alg":"RS256"}""", "two", TokenStatus.Valid)]
    [InlineData("""{"alg":"RS256","kid":""}""", "any", TokenStatus.Valid)]
    [InlineData("""{"alg":"RS512","kid":"k1"}""", "one", TokenStatus.VerificationFailed)] // k1 is for RS256 alone
    [InlineData("""{"alg":"ES256","kid":"k1"}""", "one", TokenStatus.VerificationFailed)]
    [InlineData("""{"alg":"HS256"}""", "one", TokenStatus.VerificationFailed)] // a public key is no secret
    public void Keys_ByIdAlgorithmAndKind(string header, string signature, TokenStatus expected)
    {
        var keys = new VerificationKeys([new NamedKey(KeyKind.Rsa, "one", "k1", "RS256"), new NamedKey(KeyKind.Rsa, "two", "k2"), new NamedKey(KeyKind.Rsa, "any")]);
        Assert.Equal(expected, keys.Verify(TokenText.Read("{}", header, signature)));
    }

    [Fact]
    public void Keys_NoneOfThatIdOrAlgorithm_IsToldApart()
    {
        var keys = new VerificationKeys([new NamedKey(KeyKind.Rsa, "one", "k1", "RS256")]);
        Assert.Equal(TokenStatus.NoKey, keys.Verify(TokenText.Read("{}", """{"alg":"RS256","kid":"k2"}""")));
        Assert.Equal(TokenStatus.NoKey, keys.Verify(TokenText.Read("{}", """{"alg":"RS384","kid":"k1"}""")));
        Assert.Equal(TokenStatus.NoKey, new VerificationKeys([]).Verify(TokenText.Read("{}")));
    }

    [Fact]
    public void AlgorithmConfusion_ASecretIsNeverTriedByAnRsaToken_NorTheReverse()
    {
        var (rsa, secret) = (new NamedKey(KeyKind.Rsa, "x"), new NamedKey(KeyKind.Secret, "x"));
        Assert.Equal(TokenStatus.VerificationFailed, new VerificationKeys([rsa]).Verify(TokenText.Read("{}", """{"alg":"HS256"}""", "x")));
        Assert.Equal(TokenStatus.VerificationFailed, new VerificationKeys([secret]).Verify(TokenText.Read("{}", """{"alg":"RS256"}""", "x")));
        Assert.Equal((0, 0), (rsa.Asked, secret.Asked));
    }

    [Fact]
    public void ManyKeys_AreNotAllTried()
    {
        var keys = Enumerable.Range(0, 100).Select(i => new NamedKey(KeyKind.Rsa, $"{i}", $"k{i}")).ToArray();
        var set = new VerificationKeys([.. keys]);
        Assert.Equal(TokenStatus.VerificationFailed, set.Verify(TokenText.Read("{}", """{"alg":"RS256"}""", "99")));
        Assert.Equal(VerificationKeys.MaxTries, keys.Sum(key => key.Asked));
        Assert.Equal(TokenStatus.Valid, set.Verify(TokenText.Read("{}", """{"alg":"RS256","kid":"k99"}""", "99")));
    }

    [Fact]
    public void Keys_ThatAreNotThere_SayWhy()
    {
        var token = TokenText.Read("{}");
        Assert.Equal(TokenStatus.KeysNotFetched, TokenCheck.CheckSignature(token, new KeyLookup(null, TokenStatus.KeysNotFetched)));
        Assert.Equal(TokenStatus.NoUsableKeys, TokenCheck.CheckSignature(token, new KeyLookup(null, TokenStatus.NoUsableKeys)));
    }

    [Fact]
    public void Claims_AreFoundByPath_AndSplitWhereTheyAreLists()
    {
        var claims = new TokenClaims(
            new JwtRule { Issuer = "i", SpaceDelimitedClaims = ["perms"] },
            TokenText.Read("""{"iss":"i","scope":"read  write","perms":"a b","other":"a b","groups":["x",1,"y"],"nested":{"team":"red","scope":"p q"},"num":7,"flag":true,"nil":null}"""));
        Assert.Equal(["read", "write"], claims.Find("scope").AsEnumerable());
        Assert.Equal(["a", "b"], claims.Find("perms").AsEnumerable());
        Assert.Equal(["a b"], claims.Find("other").AsEnumerable());
        Assert.Equal(["x", "y"], claims.Find("groups").AsEnumerable());
        Assert.Equal(["red"], claims.Find("nested", "team").AsEnumerable());
        Assert.Equal(["p q"], claims.Find("nested", "scope").AsEnumerable());
        foreach (var path in (ImmutableArray<string[]>)[["num"], ["flag"], ["nil"], ["nested"], ["none"], ["nested", "none"], ["scope", "x"], []])
        {
            Assert.Empty(claims.Find(path));
        }
    }

    [Theory]
    [InlineData("sub", "alice")]
    [InlineData("num", "7")]
    [InlineData("neg", "-1.000000")]
    [InlineData("frac", "1.500000")]
    [InlineData("flag", "true")]
    [InlineData("list", "WyJhZG1pbiIsImRldiJd")]
    [InlineData("nested.team", "red")]
    [InlineData("nested", "eyJ0ZWFtIjoicmVkIiwicyI6ImEgXCIgYiJ9")]
    [InlineData("word", "J\u00c3\u00b6rg")]
    [InlineData("empty", null)]
    [InlineData("nil", null)]
    [InlineData("none", null)]
    [InlineData("sub.x", null)]
    public void Claims_AsHeaders(string claim, string? expected) => Assert.Equal(expected, new TokenClaims(
        new JwtRule { Issuer = "i" },
        TokenText.Read("""{"sub":"alice","num":7,"neg":-1,"frac":1.5,"flag":true,"list":["admin", "dev"],"nested":{"team": "red", "s":"a \" b"},"word":"Jörg","empty":"","nil":null}""")).ToHeader(claim));
}
