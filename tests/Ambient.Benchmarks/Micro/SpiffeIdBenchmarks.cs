using Ambient.Identity;
using BenchmarkDotNet.Attributes;

namespace Ambient.Benchmarks.Micro;

/// <summary>Identities are parsed at handshakes and compared at every decision.</summary>
[MemoryDiagnoser]
public class SpiffeIdBenchmarks
{
    private const string Text = "spiffe://cluster.local/ns/default/sa/bookinfo-productpage";
    private readonly SpiffeId _a = SpiffeId.Parse(Text);
    private readonly SpiffeId _b = SpiffeId.ForServiceAccount("cluster.local", "default", "bookinfo-productpage");

    [Benchmark]
    public SpiffeId Parse() => SpiffeId.Parse(Text);

    [Benchmark]
    public bool Compare() => _a.Equals(_b);
}
