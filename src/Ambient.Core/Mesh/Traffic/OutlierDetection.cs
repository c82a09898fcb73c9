using System.Collections.Immutable;

namespace Ambient.Mesh;

/// <summary>
/// When an endpoint that fails gets nothing for a while (https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier).
/// </summary>
public sealed record OutlierDetection
{
    /// <summary>Failures in a row, of whatever kind; 0: not asked. Default 5.</summary>
    public int Consecutive5xxErrors { get; init; } = 5;

    /// <summary>502, 503 and 504 in a row; 0, the default: not asked.</summary>
    public int ConsecutiveGatewayErrors { get; init; }

    /// <summary>Whether failures without an answer are counted by themselves. Else they count as 503, or 504 where time ran out.</summary>
    public bool SplitsLocalOriginErrors { get; init; }

    /// <summary>Failures without an answer in a row, where they are counted by themselves; 0: not asked. Default 5.</summary>
    public int ConsecutiveLocalOriginFailures { get; init; } = 5;

    /// <summary>How often it is looked whether somebody's time is over. Default 10 s.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long the first time is; the second is twice as long, and so on up to 300 s or this, whichever is more. Default 30 s.</summary>
    public TimeSpan BaseEjectionTime { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Share of the endpoints that may be left out at a time, in percent, as Envoy counts it: with the default of 10 nobody is left out where there are fewer than ten.</summary>
    public int MaxEjectionPercent { get; init; } = 10;

    /// <summary>With fewer than this share of endpoints left, in percent, all of them are asked again. Default 0: never.</summary>
    public int MinHealthPercent { get; init; }

    /// <summary>Statuses that count as failures, in place of 500 to 599; empty: those.</summary>
    public ImmutableArray<int> ErrorCodes { get; init; } = [];

    /// <summary>Whether every field is equal, statuses by content.</summary>
    public bool Equals(OutlierDetection? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && Consecutive5xxErrors == other.Consecutive5xxErrors
            && ConsecutiveGatewayErrors == other.ConsecutiveGatewayErrors
            && SplitsLocalOriginErrors == other.SplitsLocalOriginErrors
            && ConsecutiveLocalOriginFailures == other.ConsecutiveLocalOriginFailures
            && Interval == other.Interval
            && BaseEjectionTime == other.BaseEjectionTime
            && MaxEjectionPercent == other.MaxEjectionPercent
            && MinHealthPercent == other.MinHealthPercent
            && StructuralEquality.Same(ErrorCodes, other.ErrorCodes));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Consecutive5xxErrors, ConsecutiveGatewayErrors, Interval, BaseEjectionTime, MaxEjectionPercent);
}
