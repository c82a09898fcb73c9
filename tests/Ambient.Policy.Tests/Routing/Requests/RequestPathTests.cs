using Ambient.Mesh;
using Ambient.Policy.Routing.Requests;
using Ambient.Testing.Fuzzing;

namespace Ambient.Policy.Tests.Routing.Requests;

public sealed class RequestPathTests
{
    [Theory]
    [InlineData("/", "/", "")]
    [InlineData("/a/b", "/a/b", "")]
    [InlineData("/a?b=c", "/a", "b=c")]
    [InlineData("/a?", "/a", "")]
    [InlineData("/a?b=/../c", "/a", "b=/../c")]
    [InlineData("/a#f?x", "/a", "")]
    [InlineData("//api", "//api", "")]
    [InlineData("/./api", "/api", "")]
    [InlineData("/x/../api", "/api", "")]
    [InlineData("/x/%2e%2E/api", "/api", "")]
    [InlineData("/../../api", "/api", "")]
    [InlineData("/a/..", "/", "")]
    [InlineData("/a/b/..", "/a/", "")]
    [InlineData("/a/.", "/a/", "")]
    [InlineData("/a/../", "/", "")]
    [InlineData("/.", "/", "")]
    [InlineData("/..", "/", "")]
    [InlineData("/a/...", "/a/...", "")]
    [InlineData("/.hidden", "/.hidden", "")]
    [InlineData("/a\\..\\pi", "/pi", "")]
    [InlineData("/a\\pi", "/a/pi", "")]
    [InlineData("/%61pi", "/api", "")]
    [InlineData("/api%2fv1", "/api%2fv1", "")]
    [InlineData("/pre%2Fx%5C", "/pre%2Fx%5C", "")]
    [InlineData("/a%zz%4", "/a%zz%4", "")]
    [InlineData("/%%36%31pi", "/api", "")]
    [InlineData("/%%%36%361pi", "/%f1pi", "")]
    [InlineData("/x/%%32e%2%65/api", "/api", "")]
    [InlineData("/%2561pi", "/%2561pi", "")]
    [InlineData("/%2%35%36%31pi", "/%2561pi", "")]
    [InlineData("http://host:1/a/../b?q", "/b", "q")]
    [InlineData("http://host", "/", "")]
    [InlineData("http://host?q", "/", "q")]
    public void TryParse_Target_IsNormalised(string target, string path, string query)
    {
        Assert.True(RequestPath.TryParse(target, out var parsed));
        Assert.Equal(path, parsed.Path);
        Assert.Equal(query, parsed.Query);
    }

    [Theory]
    [InlineData(PathNormalization.None, "/a//%61/../b\\c", "/a//%61/../b\\c")]
    [InlineData(PathNormalization.None, "http://host", "/")]
    [InlineData(PathNormalization.MergeSlashes, "//a///b", "/a/b")]
    [InlineData(PathNormalization.MergeSlashes, "/a//../b", "/b")]
    [InlineData(PathNormalization.MergeSlashes, "/a\\/b", "/a/b")]
    [InlineData(PathNormalization.MergeSlashes, "/a%2F/b", "/a%2F/b")]
    [InlineData(PathNormalization.MergeSlashes, "/a/%2e%2e//b", "/b")]
    [InlineData(PathNormalization.MergeSlashes, "/a", "/a")]
    [InlineData(PathNormalization.DecodeAndMergeSlashes, "/a%2f%5Cb", "/a/b")]
    [InlineData(PathNormalization.DecodeAndMergeSlashes, "/a%2F..%2Fb", "/b")]
    [InlineData(PathNormalization.DecodeAndMergeSlashes, "/a/%%32f//b", "/a/b")]
    [InlineData(PathNormalization.DecodeAndMergeSlashes, "/a%20b", "/a%20b")]
    public void TryParse_AsTheMeshConfigSays(PathNormalization normalization, string target, string path)
    {
        Assert.True(RequestPath.TryParse(target, out var parsed, normalization));
        Assert.Equal(path, parsed.Path);

        // Normal is what stays as it is.
        Assert.True(RequestPath.TryParse(parsed.Path, out var again, normalization));
        Assert.Equal(path, again.Path);
    }

    [Theory]
    [InlineData("*")]
    [InlineData("host:443")]
    [InlineData("")]
    [InlineData("/a%00b")]
    [InlineData("/a\0b")]
    [InlineData("/a ")]
    [InlineData("/a HTTP/1.1")]
    [InlineData("/a\tb")]
    [InlineData("/a\u001f")]
    [InlineData("/a\u007f")]
    [InlineData("/\u00e1")]
    [InlineData("/a?b c")]
    [InlineData("http://host/a\t")]
    public void TryParse_WithoutPath_IsRefused(string target) => Assert.False(RequestPath.TryParse(target, out _));

    [Fact]
    [Trait("Category", "Fuzz")]
    public void TryParse_AnyTarget_LeavesNoDotSegments()
    {
        const string Alphabet = "/./%2e2E5c\\ab?#";
        FuzzBudget.Run(20_000, random =>
        {
            var target = "/" + string.Create(random.Next(24), random, static (span, r) =>
            {
                foreach (ref var c in span)
                {
                    c = Alphabet[r.Next(Alphabet.Length)];
                }
            });
            if (!RequestPath.TryParse(target, out var once))
            {
                return;
            }

            Assert.StartsWith("/", once.Path, StringComparison.Ordinal);
            Assert.DoesNotContain("\\", once.Path, StringComparison.Ordinal);
            Assert.DoesNotContain("/../", once.Path + "/", StringComparison.Ordinal);
            Assert.DoesNotContain("/./", once.Path + "/", StringComparison.Ordinal);
        });
    }
}
