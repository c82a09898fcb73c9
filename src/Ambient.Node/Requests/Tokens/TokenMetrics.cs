using Ambient.Node.Telemetry.Metrics;
using Ambient.Policy.Authentication;

namespace Ambient.Node.Requests.Tokens;

/// <summary>Counts what came of requests' tokens, under the names that Envoy's filter has for it.</summary>
internal sealed class TokenMetrics
{
    private readonly CounterFamily _allowed;
    private readonly CounterFamily _denied;
    private readonly CounterFamily _hits;
    private readonly CounterFamily _misses;
    private readonly CounterFamily _fetches;
    private readonly CounterFamily _failedFetches;

    /// <summary>Creates the metrics in a registry.</summary>
    public TokenMetrics(MetricRegistry registry)
    {
        _allowed = registry.Add(new CounterFamily("ambient_jwt_allowed", "Requests whose token is valid."));
        _denied = registry.Add(new CounterFamily("ambient_jwt_denied", "Requests that were refused because of a token, by the reason."));
        _hits = registry.Add(new CounterFamily("ambient_jwt_cache_hit", "Requests whose token was known."));
        _misses = registry.Add(new CounterFamily("ambient_jwt_cache_miss", "Requests whose token had to be looked at."));
        _fetches = registry.Add(new CounterFamily("ambient_jwks_fetch_success", "Fetches of an issuer's keys that brought keys."));
        _failedFetches = registry.Add(new CounterFamily("ambient_jwks_fetch_failed", "Fetches of an issuer's keys that brought none."));
    }

    /// <summary>A request with tokens was decided about.</summary>
    /// <param name="decision">What was decided.</param>
    /// <param name="known">Whether nothing had to be verified.</param>
    public void Decided(in AuthenticationDecision decision, bool known)
    {
        (known ? _hits : _misses).Series(MetricLabels.None).Increment();
        if (decision.IsAllowed)
        {
            _allowed.Series(MetricLabels.None).Increment();
        }
        else
        {
            _denied.Series(MetricLabels.Of(("reason", decision.Status.ToString()))).Increment();
        }
    }

    /// <summary>Keys were fetched, or not.</summary>
    public void Fetched(bool success) => (success ? _fetches : _failedFetches).Series(MetricLabels.None).Increment();
}
