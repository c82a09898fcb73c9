using System.Text;
using Ambient.Node.Discovery.Documents;

namespace Ambient.Node.Tests.Discovery;

public sealed class YamlLimitTests
{
    private static readonly YamlLimits Small = new(1 << 20, 3, 1_000, 10);

    [Fact]
    public void Document_NestedDeeperThanAllowed_IsRefused() =>
        Assert.Contains("deeper", Refused(new string('[', 11) + new string(']', 11)), StringComparison.Ordinal);

    [Fact]
    public void Document_NestedDeeply_DoesNotExhaustTheStack() =>
        Assert.NotEmpty(Refused(new string('[', 100_000)));

    [Fact]
    public void Bracket_LeftOpenOverManyLines_IsSaidWithoutTheParsersException()
    {
        var why = Refused("kind: [\nmetadata:\n  name: sleep\nspec:\n  replicas: 1\n");

        Assert.NotEmpty(why);
        Assert.DoesNotContain("Exception", why, StringComparison.Ordinal);
    }

    [Fact]
    public void Documents_MoreThanAllowed_AreRefused() =>
        Assert.Contains("documents", Refused("---\na\n---\nb\n---\nc\n---\nd\n"), StringComparison.Ordinal);

    [Fact]
    public void Aliases_ThatMultiply_AreRefused()
    {
        // Ten levels of ten: ten thousand million values from four hundred bytes.
        var bomb = new StringBuilder("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for (var i = 1; i < 10; i++)
        {
            bomb.Append($"a{i}: &a{i} [{string.Join(", ", Enumerable.Repeat($"*a{i - 1}", 10))}]\n");
        }

        Assert.Contains("aliases count", Refused(bomb.ToString()), StringComparison.Ordinal);
    }

    [Fact]
    public void Alias_UsedOnce_IsTheNodeItNames()
    {
        var reader = new YamlReader(new StringReader("a: &x {b: c}\nd: *x\n"), Small);
        Assert.True(reader.NextDocument());
        var mapping = Assert.IsType<YamlMapping>(reader.ReadNode());
        Assert.Same(mapping.Find("a"), mapping.Find("d"));
        Assert.False(reader.NextDocument());
    }

    [Fact]
    public void Keys_ManyAndOneTwice_AreRefused() =>
        Assert.Contains("twice", Refused(string.Concat(Enumerable.Range(0, 40).Select(i => $"k{i % 39}: v\n"))), StringComparison.Ordinal);

    private static string Refused(string text) => Assert.Throws<YamlReadException>(() =>
    {
        var reader = new YamlReader(new StringReader(text), Small);
        while (reader.NextDocument())
        {
            reader.ReadNode();
        }
    }).Message;
}
