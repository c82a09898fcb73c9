using Ambient.Identity;
using Ambient.Testing.Fuzzing;

namespace Ambient.Core.Tests.Identity;

public class SpiffeIdTests
{
    [Theory]
    [Trait("Reference", "identity_from_string")]
    [InlineData("spiffe://cluster.local/ns/default/sa/sleep", "cluster.local", "default", "sleep")]
    [InlineData("spiffe://td/ns/a.b/sa/c-d_e", "td", "a.b", "c-d_e")]
    [InlineData("spiffe://td/ns/ns/sa/sa", "td", "ns", "sa")]
    [InlineData("spiffe://td/ns/A/sa/B", "td", "A", "B")]
    [InlineData("spiffe://td", "td", null, null)]
    [InlineData("spiffe://a_b-c.d/workload", "a_b-c.d", null, null)]
    [InlineData("spiffe://td/ns/a/sa/b/c", "td", null, null)]
    [InlineData("spiffe://td/ns/a/sa", "td", null, null)]
    [InlineData("spiffe://td/sa/a/ns/b", "td", null, null)]
    [InlineData("spiffe://td/NS/a/sa/b", "td", null, null)]
    [InlineData("spiffe://td/...", "td", null, null)]
    public void Parse_LegalId_GivesItsParts(string text, string trustDomain, string? ns, string? serviceAccount)
    {
        var id = SpiffeId.Parse(text);

        Assert.Equal(text, id.ToString());
        Assert.Equal(trustDomain, id.TrustDomain.Name);
        Assert.Equal(ns, id.Namespace);
        Assert.Equal(serviceAccount, id.ServiceAccount);
        Assert.Equal(text["spiffe://".Length..], id.Principal.ToString());
        Assert.Equal(text[("spiffe://".Length + trustDomain.Length)..], id.Path.ToString());
        Assert.Equal(id, SpiffeId.Parse(text.AsSpan()));
    }

    [Theory]
    [Trait("Reference", "identity_from_string")]
    [InlineData("", "does not start with spiffe://")]
    [InlineData("spiffe:", "does not start with spiffe://")]
    [InlineData("spiffe:/td/a", "does not start with spiffe://")]
    [InlineData("https://td/a", "does not start with spiffe://")]
    [InlineData("SPIFFE://td/a", "does not start with spiffe://")]
    [InlineData("Spiffe://td/a", "does not start with spiffe://")]
    [InlineData(" spiffe://td/a", "does not start with spiffe://")]
    [InlineData("td/ns/a/sa/b", "does not start with spiffe://")]
    [InlineData("spiffe://", "the trust domain is empty")]
    [InlineData("spiffe:///ns/a/sa/b", "the trust domain is empty")]
    [InlineData("spiffe://TD/a", "a trust domain has only")]
    [InlineData("spiffe://td:80/a", "a trust domain has only")]
    [InlineData("spiffe://user@td/a", "a trust domain has only")]
    [InlineData("spiffe://td?q=1", "a trust domain has only")]
    [InlineData("spiffe://td#f", "a trust domain has only")]
    [InlineData("spiffe://[::1]/a", "a trust domain has only")]
    [InlineData("spiffe://td%61/a", "a trust domain has only")]
    [InlineData("spiffe://td/", "an empty segment or ends with a slash")]
    [InlineData("spiffe://td/a/", "an empty segment or ends with a slash")]
    [InlineData("spiffe://td//a", "an empty segment or ends with a slash")]
    [InlineData("spiffe://td/ns//sa/b", "an empty segment or ends with a slash")]
    [InlineData("spiffe://td/ns/a/sa/b/", "an empty segment or ends with a slash")]
    [InlineData("spiffe://td/.", "a segment \".\" or \"..\"")]
    [InlineData("spiffe://td/a/../b", "a segment \".\" or \"..\"")]
    [InlineData("spiffe://td/a?q", "a path has only")]
    [InlineData("spiffe://td/a#f", "a path has only")]
    [InlineData("spiffe://td/a%2fb", "a path has only")]
    [InlineData("spiffe://td/a b", "a path has only")]
    [InlineData("spiffe://td/ä", "a path has only")]
    [InlineData("spiffe://td/a\0", "a path has only")]
    public void Parse_IllegalId_SaysWhy(string text, string reason)
    {
        Assert.False(SpiffeId.TryParse(text, out var id));
        Assert.Null(id);
        Assert.False(SpiffeId.TryParse(text.AsSpan(), out _));
        Assert.Contains(reason, Assert.Throws<FormatException>(() => SpiffeId.Parse(text)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TryParse_Null_IsNoId() => Assert.False(SpiffeId.TryParse((string?)null, out _));

    [Fact]
    public void Parse_EveryCharacter_OnlyLegalOnesPass()
    {
        const string InTrustDomain = "abcdefghijklmnopqrstuvwxyz0123456789.-_";
        const string InPath = InTrustDomain + "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        for (var c = '\0'; c <= '\u0200'; c++)
        {
            Assert.Equal(InPath.Contains(c, StringComparison.Ordinal), SpiffeId.TryParse($"spiffe://td/a{c}b", out _) && c != '/');
            Assert.Equal(InPath.Contains(c, StringComparison.Ordinal) && c != '.', SpiffeId.TryParse($"spiffe://td/{c}", out _));

            // After a slash the rest is path: "t" and "/d" are legal there.
            Assert.Equal(InTrustDomain.Contains(c, StringComparison.Ordinal) || c == '/', SpiffeId.TryParse($"spiffe://t{c}d", out _));
            Assert.Equal(InTrustDomain.Contains(c, StringComparison.Ordinal), TrustDomain.TryParse($"t{c}d", out _));
        }
    }

    [Fact]
    public void Parse_Lengths_AreLimited()
    {
        var longest = "spiffe://td/" + new string('a', SpiffeId.MaxLength - "spiffe://td/".Length);
        Assert.True(SpiffeId.TryParse(longest, out _));
        Assert.False(SpiffeId.TryParse(longest + "a", out _));
        Assert.True(SpiffeId.TryParse("spiffe://" + new string('a', 255) + "/b", out _));
        Assert.False(SpiffeId.TryParse("spiffe://" + new string('a', 256) + "/b", out _));
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public void Parse_RandomText_NeverThrowsAnythingElseAndRoundTrips()
    {
        const string Alphabet = "spiffe:///nsa..-_%?#@ A\u00e9\0";
        FuzzBudget.Run(20_000, random =>
        {
            var tail = string.Concat(Enumerable.Range(0, random.Next(0, 24)).Select(_ => Alphabet[random.Next(Alphabet.Length)]));
            var text = random.Next(4) == 0 ? tail : "spiffe://" + tail;
            if (SpiffeId.TryParse(text, out var id))
            {
                Assert.Equal(text, id.ToString());
                Assert.Equal(text, $"spiffe://{id.TrustDomain}{id.Path}");
                Assert.Equal(id, SpiffeId.Parse(id.ToString()));
            }
        });
    }

    [Fact]
    public void Parse_HostileText_IsQuotedHarmlesslyInTheMessage()
    {
        var e = Assert.Throws<FormatException>(() => SpiffeId.Parse("x\r\nfake log line\u001b[31m" + new string('y', 5000)));

        Assert.DoesNotContain('\n', e.Message);
        Assert.DoesNotContain('\u001b', e.Message);
        Assert.True(e.Message.Length < 300);
    }

    [Fact]
    public void ForServiceAccount_EqualsTheParsedId()
    {
        var built = SpiffeId.ForServiceAccount("cluster.local", "default", "sleep");
        var parsed = SpiffeId.Parse("spiffe://cluster.local/ns/default/sa/sleep");

        Assert.Equal(parsed, built);
        Assert.Equal(parsed.GetHashCode(), built.GetHashCode());
        Assert.Equal("default", built.Namespace);
        Assert.Equal("sleep", built.ServiceAccount);
    }

    [Theory]
    [InlineData("", "", "")]
    [InlineData("td", "a b", "ü")]
    public void ForServiceAccount_IllegalParts_MatchNoParsedId(string trustDomain, string ns, string serviceAccount)
    {
        var id = SpiffeId.ForServiceAccount(trustDomain, ns, serviceAccount);

        Assert.False(SpiffeId.TryParse(id.ToString(), out _));
    }

    [Fact]
    public void Equals_IsOrdinal()
    {
        Assert.NotEqual(SpiffeId.Parse("spiffe://td/a"), SpiffeId.Parse("spiffe://td/A"));
        Assert.NotEqual(SpiffeId.Parse("spiffe://td/a"), SpiffeId.Parse("spiffe://te/a"));
        Assert.False(SpiffeId.Parse("spiffe://td/a").Equals(null));
    }

    [Fact]
    public void Matchers_AcceptWhomTheyName()
    {
        var a = SpiffeId.Parse("spiffe://td/ns/x/sa/a");
        var b = SpiffeId.Parse("spiffe://td/ns/x/sa/b");
        var foreign = SpiffeId.Parse("spiffe://td2/ns/x/sa/a");

        Assert.True(SpiffeIdMatcher.Any.Matches(foreign));
        Assert.True(SpiffeIdMatcher.Exactly(a).Matches(a));
        Assert.False(SpiffeIdMatcher.Exactly(a).Matches(b));
        Assert.True(SpiffeIdMatcher.OneOf([a, b]).Matches(b));
        Assert.False(SpiffeIdMatcher.OneOf([a, b]).Matches(foreign));
        Assert.False(SpiffeIdMatcher.OneOf([]).Matches(a));
        Assert.False(SpiffeIdMatcher.OneOf(default).Matches(a));
        Assert.True(SpiffeIdMatcher.MemberOf(TrustDomain.Parse("td")).Matches(b));
        Assert.False(SpiffeIdMatcher.MemberOf(TrustDomain.Parse("td")).Matches(foreign));
        Assert.Contains("nobody", SpiffeIdMatcher.OneOf([]).ToString(), StringComparison.Ordinal);
    }
}
