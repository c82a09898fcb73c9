using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>Whether a listener of an ingress gateway is served as it is written, and why not.</summary>
/// <param name="Listener">The listener.</param>
/// <param name="Problem">Why it is not served, for operators; null when it is.</param>
public sealed record ListenerStatus(GatewayListener Listener, string? Problem)
{
    /// <summary>Whether it is served.</summary>
    public bool IsServed => Problem is null;

    /// <summary>The status of every listener of a gateway, in the order in which they are written.</summary>
    public static ImmutableArray<ListenerStatus> Of(Gateway gateway)
    {
        ArgumentNullException.ThrowIfNull(gateway);
        var seen = new Dictionary<(int Port, string Hostname), GatewayListener>();
        var statuses = ImmutableArray.CreateBuilder<ListenerStatus>(gateway.Listeners.Length);
        foreach (var listener in gateway.Listeners)
        {
            statuses.Add(new ListenerStatus(listener, ProblemOf(gateway, listener, seen)));
        }

        return statuses.MoveToImmutable();
    }

    private static string? ProblemOf(Gateway gateway, GatewayListener listener, Dictionary<(int Port, string Hostname), GatewayListener> seen)
    {
        var isHttps = listener is { Protocol: "HTTPS", TerminatesTls: true };
        if (listener.Protocol != "HTTP" && (!isHttps || gateway.Listeners.Any(other => other.Port == listener.Port && other.Protocol == "HTTP")))
        {
            var others = gateway.Listeners.Where(other => other.Port == listener.Port && other.Protocol == "HTTP").Select(other => other.Name).ToArray();
            return others.Length == 0
                ? $"protocol {listener.Protocol} is not supported"
                : isHttps ? $"protocol HTTPS conflicts on port {listener.Port} with HTTP of {string.Join(", ", others)}; requests for its hosts are answered with 404"
                : $"protocol {listener.Protocol} is not supported, and conflicts on port {listener.Port} with HTTP of {string.Join(", ", others)}; "
                    + "requests for its hosts are answered with 404";
        }

        // One listener for a port and host name; by the Gateway API the first one written has it.
        return seen.TryAdd((listener.Port, (listener.Hostname ?? "*").ToLowerInvariant()), listener)
            ? null
            : $"listener {seen[(listener.Port, (listener.Hostname ?? "*").ToLowerInvariant())].Name} has the same port and host name";
    }
}
