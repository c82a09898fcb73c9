using System.Text.RegularExpressions;
using Ambient.Policy.Authorization;
using Ambient.Testing.Fuzzing;

namespace Ambient.Policy.Tests.Authorization;

public sealed class PathTemplateTests
{
    [Theory]
    [InlineData("/a/{**}/b/{*}")]
    [InlineData("/a/{**}/{**}")]
    [InlineData("/a/x{*}")]
    [InlineData("/a/{*}x")]
    [InlineData("/a/{*}/b*")]
    [InlineData("/a/{x}/{*}")]
    [InlineData("a/{*}")]
    public void TryParse_AgainstTheRules_False(string template) => Assert.False(PathTemplate.TryParse(template, out _));

    [Fact]
    public void TrailingSlash_Matters()
    {
        Assert.True(PathTemplate.TryParse("/a/{*}/", out var slash));
        Assert.True(PathTemplate.TryParse("/a/{*}", out var none));

        Assert.True(slash.IsMatch("/a/x/"));
        Assert.False(slash.IsMatch("/a/x"));
        Assert.True(none.IsMatch("/a/x"));
        Assert.False(none.IsMatch("/a/x/"));
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public void IsMatch_RandomPaths_AsTheRegularExpression()
    {
        string[] segments = ["a", "b", "ab", ""];
        FuzzBudget.Run(20_000, random =>
        {
            var parts = Enumerable.Range(0, random.Next(1, 5)).Select(_ => random.Next(3) == 0 ? "{*}" : segments[random.Next(4)]).ToList();
            if (random.Next(2) == 0)
            {
                parts.Insert(parts.LastIndexOf("{*}") + 1, "{**}");
            }

            var template = "/" + string.Join('/', parts);
            var path = "/" + string.Join('/', Enumerable.Range(0, random.Next(1, 6)).Select(_ => segments[random.Next(4)]));
            Assert.True(PathTemplate.TryParse(template, out var parsed), template);
            var regex = "^" + Regex.Escape(template).Replace(@"\{\*\*}", ".*", StringComparison.Ordinal).Replace(@"\{\*}", "[^/]+", StringComparison.Ordinal) + "$";

            Assert.True(Regex.IsMatch(path, regex) == parsed.IsMatch(path), $"{template} and {path}");
        });
    }
}
