using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Ambient.Node.Requests.Tokens;
using Ambient.Policy.Authentication;
using Ambient.Testing.Fuzzing;

namespace Ambient.Node.Tests.Requests.Tokens;

public sealed class JsonWebKeysTests
{
    [Theory]
    [InlineData("r", "RS256")]
    [InlineData("r", "RS384")]
    [InlineData("r", "RS512")]
    [InlineData("r", "PS256")]
    [InlineData("r", "PS384")]
    [InlineData("r", "PS512")]
    [InlineData("e256", "ES256")]
    [InlineData("e384", "ES384")]
    [InlineData("e521", "ES512")]
    public async Task Signature_OfEveryAlgorithm_IsVerified_AndADamagedOneIsNot(string key, string algorithm)
    {
        await using var issuer = NewIssuer();
        foreach (var (keys, withId) in new[] { (issuer.Keys(), true), (issuer.Keys(withIds: false), true), (issuer.Keys(), false) })
        {
            var text = issuer.Sign(key, algorithm, """{"iss":"i"}""", withId);
            Assert.Equal(TokenStatus.Valid, Verify(keys, text));
            var bent = text[..^3] + (text[^3] == 'A' ? 'B' : 'A') + text[^2..];
            Assert.Equal(TokenStatus.VerificationFailed, Verify(keys, bent));
            Assert.Equal(TokenStatus.VerificationFailed, Verify(keys, text[..(text.LastIndexOf('.') + 5)]));
        }
    }

    [Theory]
    [InlineData("HS256")]
    [InlineData("HS384")]
    [InlineData("HS512")]
    public void Signature_BySecret_IsVerified(string algorithm)
    {
        var secret = RandomNumberGenerator.GetBytes(64);
        var keys = $$"""{"keys":[{"kty":"oct","k":"{{Base64Url.EncodeToString(secret)}}"}]}""";
        Assert.Equal(TokenStatus.Valid, Verify(keys, TestIssuer.SignBySecret(secret, algorithm, "{}")));
        Assert.Equal(TokenStatus.VerificationFailed, Verify(keys, TestIssuer.SignBySecret(RandomNumberGenerator.GetBytes(64), algorithm, "{}")));
    }

    /// <summary>The example of RFC 8037, appendix A.4: deterministic, so that it is the same wherever it is made.</summary>
    [Fact]
    public void Signature_OfEd25519_IsVerified_AndADamagedOneIsNot()
    {
        const string Key = "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"";
        const string Text = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        var input = Encoding.ASCII.GetBytes(Text[..Text.LastIndexOf('.')]);
        var signature = Base64Url.DecodeFromChars(Text.AsSpan(Text.LastIndexOf('.') + 1));
        foreach (var more in new[] { "}", ",\"alg\":\"EdDSA\",\"use\":\"sig\"}" })
        {
            var key = Assert.Single(JsonWebKeys.Read($"{{\"keys\":[{Key}{more}]}}", out _)!.Keys);
            Assert.Equal(KeyKind.Ed25519, key.Kind);
            Assert.True(key.Verify("EdDSA", input, signature));
            for (var i = 0; i < signature.Length; i += 9)
            {
                signature[i] ^= 1;
                Assert.False(key.Verify("EdDSA", input, signature));
                signature[i] ^= 1;
            }

            Assert.False(key.Verify("EdDSA", [.. input, 1], signature));
            Assert.False(key.Verify("EdDSA", input, signature[..63]));
            Assert.False(key.Verify("EdDSA", input, []));
            Assert.True(key.Verify("EdDSA", input, signature));
        }

        foreach (var wrong in new[] { $"{Key},\"alg\":\"ES256\"}}", Key.Replace("11qY", "", StringComparison.Ordinal) + "}", Key.Replace("Ed25519", "Ed448", StringComparison.Ordinal) + "}", Key.Replace("\"x\"", "\"y\"", StringComparison.Ordinal) + "}" })
        {
            Assert.Null(JsonWebKeys.Read($"{{\"keys\":[{wrong}]}}", out _));
        }
    }

    /// <summary>Everybody has the public key: a token whose secret it is must not pass (RFC 8725 section 2.1).</summary>
    [Fact]
    public async Task Secret_ThatIsThePublicKey_VerifiesNothing()
    {
        await using var issuer = NewIssuer();
        Assert.Equal(TokenStatus.VerificationFailed, Verify(issuer.Keys(), TestIssuer.SignBySecret(issuer.PublicPem("r"), "HS256", "{}")));
    }

    [Theory]
    [InlineData("", "not JSON")]
    [InlineData("nope", "not JSON")]
    [InlineData("[]", "not an object")]
    [InlineData("{}", "not an object with a list")]
    [InlineData("""{"keys":5}""", "not an object with a list")]
    [InlineData("""{"keys":[]}""", "none of its 0 keys")]
    [InlineData("""{"keys":[5,null,{}]}""", "none of its 3 keys")]
    [InlineData("""{"keys":[{"kty":"RSA","n":"x","e":"AQAB"}]}""", "none of its 1 keys")]
    [InlineData("""{"keys":[{"kty":"OKP","crv":"Ed448","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}""", "none of its 1 keys")]
    [InlineData("""{"keys":[{"kty":"oct","k":"AAAA"}]}""", "none of its 1 keys")]
    [InlineData("""{"keys":[{"kty":"EC","crv":"P-256","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}]}""", "none of its 1 keys")]
    public void Set_WithoutAKeyThatCanBeUsed_SaysWhy(string text, string problem)
    {
        Assert.Null(JsonWebKeys.Read(text, out var said));
        Assert.Contains(problem, said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"use\":\"enc\"", 1)]
    [InlineData("\"key_ops\":[\"sign\"]", 1)]
    [InlineData("\"key_ops\":[\"verify\",\"sign\"]", 2)]
    [InlineData("\"alg\":\"RSA-OAEP\"", 1)]
    [InlineData("\"alg\":\"ES256\"", 1)]
    [InlineData("\"alg\":\"RS256\"", 2)]
    public async Task Key_ForSomethingElse_IsPassedOver_AndTheRestCounts(string fields, int count)
    {
        await using var issuer = new TestIssuer().WithRsa("r");
        var key = issuer.Keys()["{\"keys\":[".Length..^2].Replace("\"use\":\"sig\"", "\"z\":1", StringComparison.Ordinal);
        Assert.Equal(count, JsonWebKeys.Read($"{{\"keys\":[{key[..^1]},{fields}}},{key}]}}", out _)!.Keys.Length);
    }

    [Fact]
    public async Task Sets_AreBounded()
    {
        await using var issuer = new TestIssuer().WithRsa("r");
        var key = issuer.Keys()["{\"keys\":[".Length..^2];
        Assert.Equal(JsonWebKeys.MaxKeys, JsonWebKeys.Read($"{{\"keys\":[{string.Join(',', Enumerable.Repeat(key, JsonWebKeys.MaxKeys + 50))}]}}", out _)!.Keys.Length);
        Assert.Null(JsonWebKeys.Read($"{{\"keys\":[{key}],\"x\":\"{new string('x', JsonWebKeys.MaxBytes)}\"}}", out var problem));
        Assert.Contains("bytes", problem, StringComparison.Ordinal);
        Assert.Null(JsonWebKeys.Read($$"""{"keys":[{"kty":"RSA","n":"{{Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(2048))}}","e":"AQAB"}]}""", out _));
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public async Task Reader_OfDamagedSets_ReadsOrSaysWhy()
    {
        await using var issuer = NewIssuer();
        var good = issuer.Keys();
        var token = issuer.Sign("r", "RS256", "{}");
        FuzzBudget.Run(150, random =>
        {
            var keys = JsonWebKeys.Read(Damage.Of(good, random, "\"kty\":\"oct\"", "\"alg\":", "{", "]", "null", "\"crv\":\"P-384\""), out var problem);
            Assert.Equal(keys is null, problem.Length > 0);
            Assert.Equal(TokenStatus.Valid, WebToken.Read(token, out var read));
            keys?.Verify(read!);
        });
    }

    private static TestIssuer NewIssuer() => new TestIssuer().WithRsa("r").WithCurve("e256", "P-256").WithCurve("e384", "P-384").WithCurve("e521", "P-521");

    private static TokenStatus Verify(string keys, string text)
    {
        Assert.Equal(TokenStatus.Valid, WebToken.Read(text, out var token));
        return JsonWebKeys.Read(keys, out _)!.Verify(token!);
    }
}
