using System.Buffers.Text;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace Ambient.Node.Tests.Requests.Tokens;

/// <summary>An identity provider: signs tokens, and serves its keys over HTTP on loopback as a test has it answer.</summary>
internal sealed class TestIssuer : IAsyncDisposable
{
    private readonly Dictionary<string, (AsymmetricAlgorithm Key, string Kty)> _keys = [];
    private WebApplication? _server;
    private int _asked;

    /// <summary>Where it is served, without a slash at the end.</summary>
    public string Address { get; private set; } = "";

    /// <summary>Times that it was asked for anything.</summary>
    public int Asked => Volatile.Read(ref _asked);

    /// <summary>What it answers; by default its keys and its OpenID configuration.</summary>
    public Func<HttpContext, Task>? Answer { get; set; }

    public static async Task<TestIssuer> StartAsync(X509Certificate2? certificate = null)
    {
        var issuer = new TestIssuer();
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            if (certificate is not null)
            {
                listen.UseHttps(certificate);
            }
        }));
        issuer._server = builder.Build();
        issuer._server.Run(http =>
        {
            Interlocked.Increment(ref issuer._asked);
            return issuer.Answer is { } answer ? answer(http) : issuer.AnswerAsync(http);
        });
        await issuer._server.StartAsync();
        issuer.Address = issuer._server.Urls.Single();
        return issuer;
    }

    public TestIssuer WithRsa(string id)
    {
        _keys[id] = (RSA.Create(2048), "RSA");
        return this;
    }

    public TestIssuer WithCurve(string id, string curve)
    {
        _keys[id] = (ECDsa.Create(curve switch { "P-256" => ECCurve.NamedCurves.nistP256, "P-384" => ECCurve.NamedCurves.nistP384, _ => ECCurve.NamedCurves.nistP521 }), curve);
        return this;
    }

    public void Forget(string id) => _keys.Remove(id);

    /// <summary>The key set.</summary>
    public string Keys(bool withIds = true) => $"{{\"keys\":[{string.Join(',', _keys.Select(key => Key(withIds ? key.Key : null, key.Value.Key, key.Value.Kty)))}]}}";

    /// <summary>A token, signed by one of the keys.</summary>
    public string Sign(string key, string algorithm, string payload, bool withId = true)
    {
        var input = $"{Encode(withId ? $$"""{"alg":"{{algorithm}}","kid":"{{key}}"}""" : $$"""{"alg":"{{algorithm}}"}""")}.{Encode(payload)}";
        var hash = algorithm[2..] switch { "256" => HashAlgorithmName.SHA256, "384" => HashAlgorithmName.SHA384, _ => HashAlgorithmName.SHA512 };
        var bytes = Encoding.ASCII.GetBytes(input);
        var signature = _keys[key].Key switch
        {
            RSA rsa => rsa.SignData(bytes, hash, algorithm[0] == 'P' ? RSASignaturePadding.Pss : RSASignaturePadding.Pkcs1),
            ECDsa curve => curve.SignData(bytes, hash),
            _ => throw new InvalidOperationException(),
        };
        return $"{input}.{Base64Url.EncodeToString(signature)}";
    }

    /// <summary>A token, signed by a secret.</summary>
    public static string SignBySecret(byte[] secret, string algorithm, string payload)
    {
        var input = $"{Encode($$"""{"alg":"{{algorithm}}"}""")}.{Encode(payload)}";
        var bytes = Encoding.ASCII.GetBytes(input);
        return $"{input}.{Base64Url.EncodeToString(algorithm switch { "HS256" => HMACSHA256.HashData(secret, bytes), "HS384" => HMACSHA384.HashData(secret, bytes), _ => HMACSHA512.HashData(secret, bytes) })}";
    }

    /// <summary>The RSA key's public part as a file has it: what everybody may have.</summary>
    public byte[] PublicPem(string key) => Encoding.ASCII.GetBytes(((RSA)_keys[key].Key).ExportSubjectPublicKeyInfoPem());

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        foreach (var (key, _) in _keys.Values)
        {
            key.Dispose();
        }
    }

    private Task AnswerAsync(HttpContext http) => http.Response.WriteAsync(http.Request.Path == "/.well-known/openid-configuration"
        ? $$"""{"issuer":"{{Address}}","jwks_uri":"{{Address}}/keys"}"""
        : Keys());

    private static string Key(string? id, AsymmetricAlgorithm key, string kty)
    {
        var name = id is null ? "" : $"\"kid\":\"{id}\",";
        if (key is RSA rsa)
        {
            var parameters = rsa.ExportParameters(false);
            return $$"""{"kty":"RSA",{{name}}"use":"sig","n":"{{Base64Url.EncodeToString(parameters.Modulus)}}","e":"{{Base64Url.EncodeToString(parameters.Exponent)}}"}""";
        }

        var point = ((ECDsa)key).ExportParameters(false).Q;
        return $$"""{"kty":"EC",{{name}}"crv":"{{kty}}","x":"{{Base64Url.EncodeToString(point.X)}}","y":"{{Base64Url.EncodeToString(point.Y)}}"}""";
    }

    private static string Encode(string text) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(text));
}
