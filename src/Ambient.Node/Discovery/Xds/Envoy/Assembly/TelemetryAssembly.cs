using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Xds.Envoy.Listeners;
using Ambient.Node.Discovery.Xds.Envoy.Reading;

namespace Ambient.Node.Discovery.Xds.Envoy.Assembly;

/// <summary>What is logged, counted and traced at a place, port by port, or once where that is the same at all of them.</summary>
internal static class TelemetryAssembly
{
    /// <summary>Of the chains of a service, or of a gateway's listeners.</summary>
    public static ImmutableDictionary<int, PortTelemetry> Of(IEnumerable<(int Port, EnvoyChain Chain)> chains, Problems problems)
    {
        var ports = new SortedDictionary<int, PortTelemetry>();
        foreach (var port in chains.GroupBy(static chain => chain.Port, static chain => chain.Chain))
        {
            foreach (var kind in port.GroupBy(static chain => chain.Http is not null))
            {
                // Server names share a port here; istiod says the same of them all.
                problems.NoteIf(
                    kind.Skip(1).Any(chain => !Equals(chain.Telemetry, kind.First().Telemetry)), $"port {port.Key}", "telemetry that differs between server names; it is that of the first");
            }

            ports[port.Key] = Of(port);
        }

        if (ports.Count == 0)
        {
            return ImmutableDictionary<int, PortTelemetry>.Empty;
        }

        var first = ports.First().Value;
        return ports.Values.All(port => port == first) ? One(first) : ports.ToImmutableDictionary();
    }

    /// <summary>Of the chains for workloads, which have every port.</summary>
    public static ImmutableDictionary<int, PortTelemetry> OfWorkloads(IEnumerable<HostChain> chains)
    {
        EnvoyChain[] all = [.. chains.Select(static chain => chain.Chain)];
        return all.Length == 0 ? ImmutableDictionary<int, PortTelemetry>.Empty : One(Of(all));
    }

    // Of what has chains of one kind alone, the other is told like it.
    private static PortTelemetry Of(IEnumerable<EnvoyChain> chains)
    {
        var (http, tcp) = (chains.FirstOrDefault(static chain => chain.Http is not null), chains.FirstOrDefault(static chain => chain.Http is null));
        return new PortTelemetry((http ?? tcp)!.Telemetry, (tcp ?? http)!.Telemetry);
    }

    private static ImmutableDictionary<int, PortTelemetry> One(PortTelemetry telemetry) =>
        ImmutableDictionary<int, PortTelemetry>.Empty.Add(PortTelemetry.AnyPort, telemetry);
}
