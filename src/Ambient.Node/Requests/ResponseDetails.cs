using Ambient.Policy.Authorization;

namespace Ambient.Node.Requests;

/// <summary>Who answered a request, and why, in the words of Envoy's response code details.</summary>
internal static class ResponseDetails
{
    /// <summary>The details of a request that has ended.</summary>
    public static string Of(RequestExchange exchange)
    {
        // Of two flags the first: it is why the second is there.
        var flags = exchange.Flags.AsSpan();
        var flag = flags.IndexOf(',') is >= 0 and var comma ? flags[..comma] : flags;
        return flag switch
        {
            ResponseFlags.None => Unflagged(exchange),
            ResponseFlags.NoHealthyUpstream => "no_healthy_upstream",
            ResponseFlags.NoRouteFound => "route_not_found",
            ResponseFlags.UpstreamConnectionFailure => "upstream_reset_before_response_started{remote_connection_failure}",
            ResponseFlags.UpstreamConnectionTermination => "upstream_reset_before_response_started{connection_termination}",
            ResponseFlags.UpstreamProtocolError => "upstream_reset_before_response_started{protocol_error}",
            ResponseFlags.UpstreamRequestTimeout => "response_timeout",
            ResponseFlags.StreamIdleTimeout => "stream_idle_timeout",
            ResponseFlags.DownstreamConnectionTermination => "downstream_remote_disconnect",
            ResponseFlags.DownstreamProtocolError => "codec_error",
            ResponseFlags.FaultInjected => "fault_filter_abort",
            ResponseFlags.LocalReset => "local_reset",
            ResponseFlags.Overload => "overload",
            _ => Unflagged(exchange),
        };
    }

    /// <summary>The details of what policies keep out.</summary>
    public static string Of(AuthorizationDecision decision) => $"rbac_access_denied_matched_policy[{Word(decision.RuleText)}]";

    private static string Unflagged(RequestExchange exchange)
    {
        if (exchange.Authentication is { IsAllowed: false } token)
        {
            return $"jwt_authn_access_denied{{{Word(token.Status.ToString())}}}";
        }

        if (exchange.Authorization is { IsAllowed: false } decision)
        {
            return Of(decision);
        }

        return exchange.Endpoint is not null ? "via_upstream" : exchange.Status > 0 ? "direct_response" : "-";
    }

    /// <summary>A text as one word of a line.</summary>
    public static string Word(string text) => text.Contains(' ', StringComparison.Ordinal) ? text.Replace(' ', '_') : text;
}
