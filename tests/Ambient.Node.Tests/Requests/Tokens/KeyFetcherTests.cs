using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Ambient.Mesh;
using Ambient.Node.Requests.Tokens;
using Microsoft.AspNetCore.Http;

namespace Ambient.Node.Tests.Requests.Tokens;

public sealed class KeyFetcherTests
{
    [Fact]
    public async Task Keys_ComeFromWhereTheRuleSays_OrFromWhereTheIssuersConfigurationDoes()
    {
        await using var issuer = (await TestIssuer.StartAsync()).WithRsa("r");
        Assert.Equal(issuer.Keys(), await FetchAsync(new JwtRule { Issuer = "any", JwksUri = $"{issuer.Address}/keys" }));
        Assert.Equal(issuer.Keys(), await FetchAsync(new JwtRule { Issuer = issuer.Address }));
    }

    [Theory]
    [InlineData("""{"issuer":"https://other","jwks_uri":"{0}/keys"}""", "another issuer")]
    [InlineData("""{"issuer":5,"jwks_uri":"{0}/keys"}""", "another issuer")]
    [InlineData("{}", "names no jwks_uri")]
    [InlineData("""{"jwks_uri":"keys"}""", "names no jwks_uri")]
    [InlineData("""{"jwks_uri":"file:///etc/passwd"}""", "names no jwks_uri")]
    [InlineData("nope", "is not JSON")]
    public async Task Configuration_ThatCannotBeMeant_IsRefused(string configuration, string problem)
    {
        await using var issuer = (await TestIssuer.StartAsync()).WithRsa("r");
        issuer.Answer = http => http.Response.WriteAsync(configuration.Replace("{0}", issuer.Address, StringComparison.Ordinal));
        await AssertFailsAsync(new JwtRule { Issuer = issuer.Address }, problem);
    }

    [Theory]
    [InlineData(3, null)]
    [InlineData(4, "redirects once more than 3 times")]
    public async Task Redirects_AreFollowed_AFew(int redirects, string? problem)
    {
        await using var issuer = (await TestIssuer.StartAsync()).WithRsa("r");
        issuer.Answer = http =>
        {
            var left = int.Parse(http.Request.Path.Value![1..], System.Globalization.CultureInfo.InvariantCulture);
            if (left == 0)
            {
                return http.Response.WriteAsync(issuer.Keys());
            }

            http.Response.Redirect($"/{left - 1}");
            return Task.CompletedTask;
        };
        var rule = new JwtRule { Issuer = "any", JwksUri = $"{issuer.Address}/{redirects}" };
        if (problem is null)
        {
            Assert.Equal(issuer.Keys(), await FetchAsync(rule));
        }
        else
        {
            await AssertFailsAsync(rule, problem);
        }
    }

    [Fact]
    public async Task Answers_AreBounded_InBytesAndTime_AndMustBeGood()
    {
        await using var issuer = await TestIssuer.StartAsync();
        var rule = new JwtRule { Issuer = "any", JwksUri = $"{issuer.Address}/keys" };
        issuer.Answer = async http =>
        {
            // Without an end: whoever reads it all reads for ever.
            var piece = Encoding.ASCII.GetBytes(new string(' ', 8192));
            while (!http.RequestAborted.IsCancellationRequested)
            {
                await http.Response.Body.WriteAsync(piece, http.RequestAborted);
            }
        };
        await AssertFailsAsync(rule, "answers with more than");
        issuer.Answer = http => Task.Delay(Timeout.Infinite, http.RequestAborted);
        await AssertFailsAsync(rule with { Timeout = TimeSpan.FromMilliseconds(50) }, "no answer within");
        issuer.Answer = http =>
        {
            http.Response.StatusCode = 500;
            return Task.CompletedTask;
        };
        await AssertFailsAsync(rule, "answered 500");
        await AssertFailsAsync(new JwtRule { Issuer = "any", JwksUri = "http://127.0.0.1:1/keys" }, "");
        await AssertFailsAsync(new JwtRule { Issuer = "file:///etc" }, "is not a URL of HTTP");
    }

    [Theory]
    [InlineData("""{"issuer":"ISSUER","jwks_uri":"\ud800"}""")]
    [InlineData("""{"issuer":"\udc00","jwks_uri":"ISSUER/keys"}""")]
    public async Task Configuration_WithWhatIsNoText_IsAnError(string configuration)
    {
        await using var issuer = await TestIssuer.StartAsync();
        issuer.Answer = http => http.Response.WriteAsync(configuration.Replace("ISSUER", issuer.Address, StringComparison.Ordinal));
        await AssertFailsAsync(new JwtRule { Issuer = issuer.Address }, "");
    }

    [Fact]
    public async Task Https_IsVerifiedByTheRoots_AndNeverLeft()
    {
        using var certificate = NewCertificate();
        var folder = Directory.CreateTempSubdirectory("ambient-roots-");
        try
        {
            var roots = Path.Combine(folder.FullName, "roots.pem");
            await File.WriteAllTextAsync(roots, certificate.ExportCertificatePem());
            await using var issuer = (await TestIssuer.StartAsync(certificate)).WithRsa("r");
            var rule = new JwtRule { Issuer = issuer.Address };
            Assert.Equal(issuer.Keys(), await new KeyFetcher(roots, TimeProvider.System).FetchAsync(rule, default));

            using var stranger = NewCertificate();
            await File.WriteAllTextAsync(roots, stranger.ExportCertificatePem());
            await Assert.ThrowsAsync<IOException>(() => new KeyFetcher(roots, TimeProvider.System).FetchAsync(rule, default));

            await File.WriteAllTextAsync(roots, certificate.ExportCertificatePem());
            issuer.Answer = http => http.Response.WriteAsync($$"""{"issuer":"{{issuer.Address}}","jwks_uri":"http://127.0.0.1:1/keys"}""");
            var failure = await Assert.ThrowsAsync<IOException>(() => new KeyFetcher(roots, TimeProvider.System).FetchAsync(rule, default));
            Assert.Contains("without TLS", failure.Message, StringComparison.Ordinal);
            issuer.Answer = http =>
            {
                http.Response.Redirect("http://127.0.0.1:1/keys");
                return Task.CompletedTask;
            };
            failure = await Assert.ThrowsAsync<IOException>(() => new KeyFetcher(roots, TimeProvider.System).FetchAsync(rule, default));
            Assert.Contains("without TLS", failure.Message, StringComparison.Ordinal);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static X509Certificate2 NewCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        var request = new CertificateRequest("CN=issuer", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(names.Build());
        return request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddMinutes(-5), TimeProvider.System.GetUtcNow().AddDays(1));
    }

    private static Task<string> FetchAsync(JwtRule rule) => new KeyFetcher(null, TimeProvider.System).FetchAsync(rule, default);

    private static async Task AssertFailsAsync(JwtRule rule, string problem) =>
        Assert.Contains(problem, (await Assert.ThrowsAsync<IOException>(() => FetchAsync(rule))).Message, StringComparison.Ordinal);
}
