using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Protos.Envoy;

namespace Ambient.Node.Discovery.Xds.Envoy.Routes;

/// <summary>When a request is sent again.</summary>
internal static class RetryReader
{
    private const int MostAttempts = 100;

    /// <summary>Reads a policy; none is no second try, and null stands for the mesh's own.</summary>
    public static RetryRule? Read(RetryPolicy? wire)
    {
        if (wire is null)
        {
            return RetryRule.Default with { Attempts = 0 };
        }

        var conditions = RetryConditions.None;
        foreach (var name in wire.RetryOn.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            // One that is not known is a failure that is not tried again.
            conditions |= RetryRule.ConditionOf(name) ?? RetryConditions.None;
        }

        var rule = new RetryRule
        {
            Attempts = (int)Math.Min(wire.NumRetries ?? 1, MostAttempts),
            Conditions = conditions,
            StatusCodes = [.. wire.RetriableStatusCodes.Where(code => code is >= 100 and <= 599).Select(code => (int)code)],
            Backoff = wire.RetryBackOff?.BaseInterval?.ToTimeSpan() is { } backoff && backoff > TimeSpan.Zero ? backoff : RetryRule.Default.Backoff,
            AvoidsFailedEndpoints = wire.RetryHostPredicate.Count > 0,
        };
        
        // Nothing is said only where nothing is: time for one try belongs to a policy that is.
        return rule.Equals(RetryRule.Default) && wire.PerTryTimeout is null ? null : rule;
    }
}
