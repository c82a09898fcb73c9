using Ambient.Mesh;
using Ambient.Policy.Authentication;
using Ambient.Testing.Fuzzing;

namespace Ambient.Policy.Tests.Authentication;

public sealed class WebTokenTests
{
    [Theory]
    [InlineData("")]
    [InlineData("abc.def")]
    [InlineData("a.b.c.d")]
    [InlineData("..")]
    [InlineData(".b.c")]
    [InlineData("a..c")]
    [InlineData("a.b.")]
    public void Text_ThatIsNotThreeParts_IsNoToken(string text) => AssertRead(TokenStatus.BadFormat, text);

    [Fact]
    public void Text_ThatIsTooLong_IsNotLookedAt()
    {
        var payload = $$"""{"x":"{{new string('x', WebToken.MaxLength)}}"}""";
        AssertRead(TokenStatus.BadFormat, TokenText.Of(payload));
    }

    [Theory]
    [InlineData(TokenStatus.HeaderNotJson, "nope")]
    [InlineData(TokenStatus.HeaderNotJson, "[]")]
    [InlineData(TokenStatus.HeaderNotJson, """{"alg":"RS256"} {}""")]
    [InlineData(TokenStatus.HeaderNotJson, """{"alg":"none","alg":"RS256"}""")]
    [InlineData(TokenStatus.HeaderBadAlgorithm, "{}")]
    [InlineData(TokenStatus.HeaderBadAlgorithm, """{"alg":256}""")]
    [InlineData(TokenStatus.HeaderUnknownAlgorithm, """{"alg":"none"}""")]
    [InlineData(TokenStatus.HeaderUnknownAlgorithm, """{"alg":"None"}""")]
    [InlineData(TokenStatus.HeaderUnknownAlgorithm, """{"alg":"rs256"}""")]
    [InlineData(TokenStatus.HeaderUnknownAlgorithm, """{"alg":"ES256K"}""")]
    [InlineData(TokenStatus.HeaderBadKeyId, """{"alg":"RS256","kid":1}""")]
    [InlineData(TokenStatus.VerificationFailed, """{"alg":"RS256","crit":["b64"],"b64":false}""")]
    [InlineData(TokenStatus.Valid, """{"alg":"ES512","kid":""}""")]
    public void Header(TokenStatus expected, string header) => AssertRead(expected, TokenText.Of("{}", header));

    [Theory]
    [InlineData(TokenStatus.PayloadNotJson, "nope")]
    [InlineData(TokenStatus.PayloadNotJson, "\"text\"")]
    [InlineData(TokenStatus.PayloadNotJson, """{"sub":"a","sub":"b"}""")]
    [InlineData(TokenStatus.PayloadNotJson, """{"a":{"b":1,"b":2}}""")]
    [InlineData(TokenStatus.PayloadNotJson, """{"s":"a","\u0073":"b"}""")]
    [InlineData(TokenStatus.PayloadNotJson, """{"sub":"\ud800"}""")]
    [InlineData(TokenStatus.PayloadNotJson, """{"sub":"a",}""")]
    [InlineData(TokenStatus.IssuerNotString, """{"iss":1}""")]
    [InlineData(TokenStatus.IssuerNotString, """{"iss":null}""")]
    [InlineData(TokenStatus.SubjectNotString, """{"sub":["a"]}""")]
    [InlineData(TokenStatus.IssuedAtNotInteger, """{"iat":"1"}""")]
    [InlineData(TokenStatus.IssuedAtOutOfRange, """{"iat":-1}""")]
    [InlineData(TokenStatus.NotBeforeNotInteger, """{"nbf":true}""")]
    [InlineData(TokenStatus.NotBeforeOutOfRange, """{"nbf":1e30}""")]
    [InlineData(TokenStatus.ExpiryNotInteger, """{"exp":"never"}""")]
    [InlineData(TokenStatus.ExpiryNotInteger, """{"exp":null}""")]
    [InlineData(TokenStatus.ExpiryOutOfRange, """{"exp":-5}""")]
    [InlineData(TokenStatus.ExpiryOutOfRange, """{"exp":1e400}""")]
    [InlineData(TokenStatus.TokenIdNotString, """{"jti":7}""")]
    [InlineData(TokenStatus.AudienceNotString, """{"aud":7}""")]
    [InlineData(TokenStatus.AudienceNotString, """{"aud":["a",7]}""")]
    [InlineData(TokenStatus.Valid, """{"iss":"i","sub":"s","iat":1,"nbf":1.5,"exp":2,"jti":"j","aud":["a"]}""")]
    [InlineData(TokenStatus.Valid, "{}")]
    public void Payload(TokenStatus expected, string payload) => AssertRead(expected, TokenText.Of(payload));

    [Theory]
    [InlineData(TokenStatus.HeaderNotBase64, "{0}=.{1}.c2ln")]
    [InlineData(TokenStatus.HeaderNotBase64, "a.{1}.c2ln")]
    [InlineData(TokenStatus.HeaderNotBase64, " {0}.{1}.c2ln")]
    [InlineData(TokenStatus.PayloadNotBase64, "{0}.{1}+.c2ln")]
    [InlineData(TokenStatus.PayloadNotBase64, "{0}.{1} .c2ln")]
    [InlineData(TokenStatus.SignatureNotBase64, "{0}.{1}.c2ln,x")]
    [InlineData(TokenStatus.SignatureNotBase64, "{0}.{1}.c2lnx")]
    [InlineData(TokenStatus.SignatureNotBase64, "{0}.{1}.c2ln/w")]
    public void Parts_ThatAreNotBase64Url(TokenStatus expected, string form) =>
        AssertRead(expected, form.Replace("{0}", TokenText.Encode(TokenText.Header), StringComparison.Ordinal).Replace("{1}", TokenText.Encode("{}"), StringComparison.Ordinal));

    [Theory]
    [InlineData(31, TokenStatus.Valid)]
    [InlineData(32, TokenStatus.PayloadNotJson)]
    [InlineData(3000, TokenStatus.PayloadNotJson)]
    public void Depth_IsBounded(int lists, TokenStatus expected) =>
        AssertRead(expected, TokenText.Of($"{{\"a\":{new string('[', lists)}{new string(']', lists)}}}"));

    [Fact]
    public void Texts_AreThoseOfTheOriginal()
    {
        Assert.Equal("Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections", TokenStatus.BadFormat.Text());
        Assert.Equal("Jwks doesn't have key to match kid or alg from Jwt", TokenStatus.NoKey.Text());
        foreach (var status in Enum.GetValues<TokenStatus>())
        {
            Assert.Equal(
                status switch { TokenStatus.Valid or TokenStatus.Missing => 200, TokenStatus.AudienceNotAllowed => 403, TokenStatus.Busy => 503, _ => 401 }, status.HttpStatus());
        }
    }

    /// <summary>Whatever comes is read or refused, and what is read says what stands there.</summary>
    [Fact]
    [Trait("Category", "Fuzz")]
    public void Reader_OfDamagedTokens_ReadsOrRefuses()
    {
        var rule = new JwtRule { Issuer = "https://issuer.example", SpaceDelimitedClaims = ["x"] };
        FuzzBudget.Run(3000, random =>
        {
            var payload = Damage.Of("""{"iss":"https://issuer.example","sub":"alice","exp":4102444800,"aud":["one","two"],"nested":{"ids":["x","y"]},"x":"a b","n":1.5}""", random, "\"", "{", "[", "\\u0000", "1e999", "\"sub\":", "null", "\ud800");
            var header = random.Next(4) == 0 ? Damage.Of(TokenText.Header, random, "\"alg\":", "crit") : TokenText.Header;
            var text = TokenText.Of(payload, header);
            if (random.Next(3) == 0)
            {
                text = Damage.Of(text, random, ".", "=", "..");
            }

            var status = WebToken.Read(text, out var token);
            Assert.Equal(status == TokenStatus.Valid, token is not null);
            Assert.NotEqual(TokenStatus.Undecided, status);
            if (token is not null)
            {
                Assert.StartsWith(text[..text.LastIndexOf('.')], System.Text.Encoding.ASCII.GetString(token.SignedBytes), StringComparison.Ordinal);
                var claims = new TokenClaims(rule, token);
                Assert.Equal(token.Subject is null ? [] : [token.Subject], claims.Find("sub").AsEnumerable());
                foreach (var name in (string[])["sub", "aud", "nested.ids", "x", "n", "nested", ""])
                {
                    _ = claims.ToHeader(name);
                    _ = claims.Find(name.Split('.'));
                }
            }
        });
    }

    private static void AssertRead(TokenStatus expected, string text)
    {
        Assert.Equal(expected, WebToken.Read(text, out var token));
        Assert.Equal(expected == TokenStatus.Valid, token is not null);
    }
}
