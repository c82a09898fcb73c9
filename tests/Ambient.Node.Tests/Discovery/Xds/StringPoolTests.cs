using System.Text;
using Ambient.Node.Discovery.Xds.Workloads;
using Ambient.Testing.Fuzzing;

namespace Ambient.Node.Tests.Discovery.Xds;

public sealed class StringPoolTests
{
    private readonly StringPool _pool = new();

    [Fact]
    public void EqualTexts_AreOneInstance_FromBytesAndFromStrings()
    {
        var first = _pool.GetAscii("a-namespace"u8)!;

        Assert.Equal("a-namespace", first);
        Assert.Same(first, _pool.GetAscii("a-namespace"u8));
        Assert.Same(first, _pool.Get(new string([.. first])));
    }

    [Fact]
    public void WhatIsNotAscii_IsLeft()
    {
        Assert.Null(_pool.GetAscii("ü"u8));
        Assert.Null(_pool.GetAscii(Encoding.UTF8.GetBytes(new string('ü', 400))));
        Assert.Equal("ü", _pool.Get("ü"));
        Assert.Equal("", _pool.GetAscii([]));
    }

    [Fact]
    [Trait("Category", "Fuzz")]
    public void AnyText_ComesBackAsItIs_HoweverManyThereAre()
    {
        FuzzBudget.Run(100_000, random => Check(new string((char)('a' + random.Next(4)), random.Next(300)) + random.Next(100_000)));
        for (var i = 0; i < 70_000; i++)
        {
            Check($"more than are shared {i}");
        }

        void Check(string text)
        {
            Assert.Equal(text, _pool.GetAscii(Encoding.ASCII.GetBytes(text)));
            Assert.Equal(text, _pool.Get(text));
        }
    }
}
