using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>How an endpoint is chosen.</summary>
public sealed record BalancerSettings
{
    /// <summary>What holds where nothing is said.</summary>
    public static BalancerSettings Default { get; } = new();

    /// <summary>By what, where <see cref="ConsistentHash"/> is null. Default <see cref="BalancerAlgorithm.LeastRequest"/>.</summary>
    public BalancerAlgorithm Algorithm { get; init; }

    /// <summary>By a property of the request, the same endpoint each time; null: not.</summary>
    public ConsistentHash? ConsistentHash { get; init; }

    /// <summary>How endpoints that are new get their share; null: at once.</summary>
    public Warmup? Warmup { get; init; }

    /// <summary>Which localities are preferred; null: what the service says.</summary>
    public LocalityBalancing? Locality { get; init; }

    /// <summary>Set where a control plane has worked out which endpoints go first, so that localities are not looked at for it; null: it has not.</summary>
    public AssignedEndpoints? Assigned { get; init; }
}

/// <summary>
/// Endpoints whose priorities and shares a control plane has worked out (<see cref="EndpointShare"/>), and how failures among them count
/// (https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/overview).
/// </summary>
/// <param name="ByLocality">Whether a locality is drawn by its share before an endpoint of it is chosen.</param>
/// <param name="PanicPercent">With fewer than this share of a priority healthy, in percent, all of it are asked, where all priorities together cannot bear the traffic. 0: never.</param>
/// <param name="Overprovisioning">How much of its traffic a priority or locality bears for the share of it that is healthy, in percent.</param>
public sealed record AssignedEndpoints(bool ByLocality, double PanicPercent, int Overprovisioning = AssignedEndpoints.UsualOverprovisioning)
{
    /// <summary>What holds where nothing is said.</summary>
    public const int UsualOverprovisioning = 140;
}

/// <summary>By what an endpoint is chosen.</summary>
public enum BalancerAlgorithm
{
    /// <summary>Of two drawn by weight the one with fewer requests under way.</summary>
    LeastRequest = 0,

    /// <summary>One after another, by weight.</summary>
    RoundRobin = 1,

    /// <summary>Drawn by weight.</summary>
    Random = 2,

    /// <summary>The one that the client addressed.</summary>
    Passthrough = 3,
}

/// <summary>Which property of a request decides, and by which table.</summary>
/// <param name="Source">The property.</param>
/// <param name="Name">Name of the header, cookie or query parameter; empty for an address.</param>
public sealed record ConsistentHash(HashSource Source, string Name)
{
    /// <summary>Path of a cookie that is made where there is none; empty: none is said.</summary>
    public string CookiePath { get; init; } = "";

    /// <summary>How long a cookie lives that is made where there is none; zero: as long as the browser's session; null: none is made.</summary>
    public TimeSpan? CookieLifetime { get; init; }

    /// <summary>Further attributes of such a cookie; an empty value stands for one without.</summary>
    public ImmutableArray<NamedValue> CookieAttributes { get; init; } = [];

    /// <summary>Whether the table is Maglev's rather than a ring.</summary>
    public bool IsMaglev { get; init; }

    /// <summary>Entries: of a ring at least (default 1024), of Maglev's table exactly (default 65537, a prime).</summary>
    public int TableSize { get; init; } = 1024;

    /// <summary>Whether every field is equal, attributes by content.</summary>
    public bool Equals(ConsistentHash? other) =>
        other is not null
        && Source == other.Source
        && Name == other.Name
        && CookiePath == other.CookiePath
        && CookieLifetime == other.CookieLifetime
        && IsMaglev == other.IsMaglev
        && TableSize == other.TableSize
        && StructuralEquality.Same(CookieAttributes, other.CookieAttributes);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Source, Name, IsMaglev, TableSize);
}

/// <summary>The property of a request that decides about its endpoint.</summary>
public enum HashSource
{
    /// <summary>A header's value.</summary>
    Header,

    /// <summary>A cookie's value.</summary>
    Cookie,

    /// <summary>The client's address.</summary>
    SourceAddress,

    /// <summary>A query parameter's value.</summary>
    QueryParameter,
}

/// <summary>How an endpoint that is new comes to its share.</summary>
/// <param name="Duration">How long it takes.</param>
/// <param name="MinimumPercent">Share that it begins with, in percent of its own, 0 to 100.</param>
/// <param name="Aggression">The share at a part <c>t</c> of the time is <c>t</c> to the power of 1/this; 1 is a straight line, more is faster at first.</param>
public sealed record Warmup(TimeSpan Duration, double MinimumPercent = 10, double Aggression = 1);

/// <summary>Which localities are preferred.</summary>
public sealed record LocalityBalancing
{
    /// <summary>Whether the rest holds. Default true.</summary>
    public bool IsEnabled { get; init; } = true;

    /// <summary>Shares of localities, by the client's.</summary>
    public ImmutableArray<LocalityDistribution> Distribute { get; init; } = [];

    /// <summary>Regions that go before the others, by the client's.</summary>
    public ImmutableArray<RegionFailover> Failover { get; init; } = [];

    /// <summary>
    /// Labels, the most important first, each <c>name</c> (client and endpoint have the same value) or <c>name=value</c>: an endpoint is the nearer, the
    /// more of them it has in order.
    /// </summary>
    public ImmutableArray<string> FailoverPriority { get; init; } = [];

    /// <summary>Whether every field is equal, collections by content.</summary>
    public bool Equals(LocalityBalancing? other) =>
        other is not null
        && IsEnabled == other.IsEnabled
        && StructuralEquality.Same(Distribute, other.Distribute)
        && StructuralEquality.Same(Failover, other.Failover)
        && StructuralEquality.Same(FailoverPriority, other.FailoverPriority);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(IsEnabled, Distribute.Length, Failover.Length, FailoverPriority.Length);
}

/// <summary>Shares of localities, for clients of one.</summary>
/// <param name="From">The clients': <c>region/zone/subzone</c>, <c>*</c> in place of the rest of it.</param>
/// <param name="To">Shares.</param>
public sealed record LocalityDistribution(string From, ImmutableArray<LocalityShare> To)
{
    /// <summary>Whether both are equal, shares by content.</summary>
    public bool Equals(LocalityDistribution? other) => other is not null && From == other.From && StructuralEquality.Same(To, other.To);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(From, To.Length);
}

/// <summary>Share of a locality.</summary>
/// <param name="Locality">As <see cref="LocalityDistribution.From"/>.</param>
/// <param name="Percent">Share in percent.</param>
public readonly record struct LocalityShare(string Locality, int Percent);

/// <summary>Which region goes before the others when the client's own has no endpoints.</summary>
/// <param name="From">The client's region.</param>
/// <param name="To">The other.</param>
public readonly record struct RegionFailover(string From, string To);
