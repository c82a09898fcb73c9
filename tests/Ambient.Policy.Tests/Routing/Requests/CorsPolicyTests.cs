using Ambient.Mesh;
using Ambient.Policy.Routing.Requests;

namespace Ambient.Policy.Tests.Routing.Requests;

public sealed class CorsPolicyTests
{
    [Theory]
    [InlineData("https://www.foo.com", true)]
    [InlineData("https://a.b.bar.com", true)]
    [InlineData("https://bar.com", false)]
    [InlineData("https://evilbar.com", false)]
    [InlineData("http://x.bar.com", false)]
    [InlineData("https://evil.com/.bar.com", false)]
    [InlineData("https://evil.com:1.bar.com", false)]
    [InlineData("https://u@x.bar.com", false)]
    [InlineData("https://pre.example:8443", true)]
    [InlineData("https://r1.example", true)]
    [InlineData("https://r1.example.evil", false)]
    public void Origin_IsAllowed_AsItsMatchesSay(string origin, bool expected)
    {
        var policy = new CorsPolicy(new CorsRule
        {
            AllowOrigins =
            [
                new OriginMatch(OriginMatchKind.Exact, "https://www.foo.com"), new OriginMatch(OriginMatchKind.Wildcard, "https://*.bar.com"),
                new OriginMatch(OriginMatchKind.Prefix, "https://pre."), new OriginMatch(OriginMatchKind.RegularExpression, @"https://r[0-9]\.example"),
                new OriginMatch(OriginMatchKind.RegularExpression, "["),
            ],
        });

        Assert.Equal(expected ? CorsOutcome.Allowed : CorsOutcome.Nothing, policy.Judge("GET", origin, null, out var isAllowed));
        Assert.Equal(expected, isAllowed);
        Assert.Equal(CorsOutcome.Preflight, policy.Judge("OPTIONS", origin, "PUT", out _));
    }

    [Fact]
    public void Preflight_OfAnotherOrigin_IsForwardedWhereTheRuleSaysSo()
    {
        var policy = new CorsPolicy(new CorsRule { AllowOrigins = [new OriginMatch(OriginMatchKind.Exact, "https://a")], ForwardsOtherPreflights = true });

        Assert.Equal(CorsOutcome.Nothing, policy.Judge("OPTIONS", "https://b", "PUT", out _));
        Assert.Equal(CorsOutcome.Preflight, policy.Judge("OPTIONS", "https://a", "PUT", out _));
        Assert.Equal(CorsOutcome.Nothing, policy.Judge("OPTIONS", null, "PUT", out _));
        Assert.Equal(CorsOutcome.Allowed, policy.Judge("OPTIONS", "https://a", null, out _));
    }

    [Fact]
    public void Star_WithCredentials_IsWhatWasAskedFor()
    {
        var rule = new CorsRule { AllowOrigins = [new OriginMatch(OriginMatchKind.Any, "*")], AllowMethods = ["*"], AllowHeaders = ["*"] };

        Assert.Equal("*", new CorsPolicy(rule).MethodsFor("PUT"));
        var withCredentials = new CorsPolicy(rule with { AllowsCredentials = true });
        Assert.Equal(("PUT", "x-a,x-b"), (withCredentials.MethodsFor("PUT"), withCredentials.HeadersFor("x-a,x-b")));
    }
}
