using System.Security.Cryptography.X509Certificates;
using Ambient.Certificates;
using Ambient.Identity;
using BenchmarkDotNet.Attributes;

namespace Ambient.Benchmarks.Micro;

/// <summary>What a handshake and a new identity cost beside TLS itself.</summary>
#pragma warning disable CA1001 // The clean-up method disposes; BenchmarkDotNet calls it.
[MemoryDiagnoser]
public class SvidBenchmarks
{
    private static readonly SpiffeId Id = SpiffeId.Parse("spiffe://cluster.local/ns/default/sa/sleep");
    private string _folder = "";
    private EmbeddedAuthority _authority = null!;
    private SvidCache _cache = null!;
    private byte[] _leaf = [];

    [GlobalSetup]
    public async Task SetUpAsync()
    {
        _folder = Directory.CreateTempSubdirectory("ambient-bench-ca-").FullName;
        _authority = await EmbeddedAuthority.OpenAsync(new EmbeddedAuthorityOptions { Folder = _folder });
        _cache = new SvidCache(_authority);
        _leaf = (await _cache.GetSvidAsync(Id)).Leaf.RawData;
    }

    [GlobalCleanup]
    public async Task CleanUpAsync()
    {
        await _cache.DisposeAsync();
        _authority.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>A leaf that was not seen before, as after each handshake.</summary>
    [Benchmark]
    public bool Verify()
    {
        using var leaf = X509CertificateLoader.LoadCertificate(_leaf);
        return SvidVerifier.Verify(leaf, null, _authority.Roots, PeerRole.Client, SpiffeIdMatcher.Exactly(Id), DateTimeOffset.UtcNow).IsAccepted;
    }

    [Benchmark]
    public ValueTask<X509Svid> CacheHit() => _cache.GetSvidAsync(Id);

    [Benchmark]
    public ValueTask<X509Svid> Issue() => _authority.IssueAsync(Id);
}
