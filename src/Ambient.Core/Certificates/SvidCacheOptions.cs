namespace Ambient.Certificates;

/// <summary>Settings of an <see cref="SvidCache"/>, which refuses a value that is out of its range. Defaults are the reference's.</summary>
public sealed class SvidCacheOptions
{
    /// <summary>SVIDs fetched at the same time, at least 1. Default 8. Many more only make an authority queue them itself.</summary>
    public int MaxConcurrentFetches { get; set; } = 8;

    /// <summary>Warm-ups that may wait, at least 0. Default 256. Further ones are dropped: those identities are fetched when first needed.</summary>
    public int MaxWaitingWarmups { get; set; } = 256;

    /// <summary>Time for one fetch: 10 ms to 1 day. Default 30 seconds. An authority that never answers would otherwise hold a place for ever.</summary>
    public TimeSpan FetchTimeout { get; set; } = TimeSpan.FromSeconds(30);
}
