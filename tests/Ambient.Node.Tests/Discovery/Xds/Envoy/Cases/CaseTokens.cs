using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy.Cases;

/// <summary>
/// Tokens that recorded issuers have signed: their public key, whose private half nobody has, is replaced by one of ours in manifests and recordings alike. Both are of
/// one length.
/// </summary>
internal static class CaseTokens
{
    public const string RecordedKey =
        "4NlMF5j2EYfMmCDtyQ27OORtDLBp0Hc0wC2kIRB0anPf0bUAg9TzBF6Zm4UxzYZZ29E646ERKel_21SKqeDbKlwUT082uFC9Kw_OjblMoyYiAnVDU3zMCIbEwhvs2kAzZbjv8-qQ_7TMs_c9LOHaqnSlKYgReNlt-IbOvP3BA_eo1A2M9wEl13MgQOC3eAOTYjKRntjjPeMwvIYg6G6ihhXlmeNKv8Rrb5R4xrnVozOfxQ5RkR6ReKFYvbQfOrbH1e-v0q0p4YI2lGA8ibmh8sS3Z8iPfdvXJK3jX8QX2zDV_EXHCgxzOY-FNlFr_n31cEJXOESb4r_lIJ6ReJyXvQ";

    private static readonly RSA s_key = RSA.Create(2048);

    public static string Key { get; } = Base64Url(s_key.ExportParameters(includePrivateParameters: false).Modulus!);

    /// <summary>A token of an issuer that is good for a day.</summary>
    public static string Of(string issuer, string subject = "alice", string audience = "a1", bool isForged = false)
    {
        var claims = JsonSerializer.Serialize(new { iss = issuer, sub = subject, aud = audience, exp = DateTimeOffset.UtcNow.AddDays(1).ToUnixTimeSeconds(), a = new { b = "nested" }, perms = "read write" });
        var text = $"{Base64Url("""{"alg":"RS256","kid":"k1","typ":"JWT"}"""u8.ToArray())}.{Base64Url(Encoding.UTF8.GetBytes(claims))}";
        var signature = s_key.SignData(Encoding.ASCII.GetBytes(text), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        signature[0] ^= (byte)(isForged ? 1 : 0);
        return $"{text}.{Base64Url(signature)}";
    }

    private static string Base64Url(byte[] bytes) => Convert.ToBase64String(bytes).TrimEnd('=').Replace('+', '-').Replace('/', '_');
}
