using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Ambient.Samples.Bookinfo.Walkthrough.Requests;

/// <summary>Who gives tokens to callers in the walkthrough, with a pair of keys of its own for each run.</summary>
internal sealed class DemoIssuer : IDisposable
{
    private const string Issuer = "https://bookinfo.example";
    private const string KeyId = "demo";

    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    /// <summary>The public half, as a set of one key (RFC 7517).</summary>
    public string Keys
    {
        get
        {
            var point = _key.ExportParameters(includePrivateParameters: false).Q;
            return $$"""{"keys":[{"kty":"EC","crv":"P-256","use":"sig","alg":"ES256","kid":"{{KeyId}}","x":"{{Base64Url.EncodeToString(point.X)}}","y":"{{Base64Url.EncodeToString(point.Y)}}"}]}""";
        }
    }

    /// <summary>A token (RFC 7519) that ends at a time.</summary>
    public string TokenUntil(DateTimeOffset end)
    {
        var header = Part($$"""{"alg":"ES256","kid":"{{KeyId}}","typ":"JWT"}""");
        var payload = Part($$"""{"iss":"{{Issuer}}","sub":"reader","aud":"productpage","exp":{{end.ToUnixTimeSeconds()}}}""");
        return $"{header}.{payload}.{Base64Url.EncodeToString(_key.SignData(Encoding.ASCII.GetBytes($"{header}.{payload}"), HashAlgorithmName.SHA256))}";
    }

    public void Dispose() => _key.Dispose();

    private static string Part(string json) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(json));
}
