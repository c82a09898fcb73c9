using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;

namespace Ambient.Node.Discovery.Xds.Envoy.Listeners;

/// <summary>What a listener does to connections before it looks for their chain.</summary>
internal static class ListenerFilters
{
    private const string Prefix = "type.googleapis.com/envoy.extensions.filters.listener.";
    private const string TlsInspector = Prefix + "tls_inspector.v3.TlsInspector";
    private const string ProxyProtocol = Prefix + "proxy_protocol.v3.ProxyProtocol";

    // What they find out is known here without them.
    private static readonly HashSet<string> s_passive = [Prefix + "original_dst.v3.OriginalDst", Prefix + "http_inspector.v3.HttpInspector", TlsInspector];

    /// <summary>Why the listener must not be served; null: it may.</summary>
    public static string? Blocked(Listener wire)
    {
        foreach (var filter in wire.ListenerFilters)
        {
            var type = filter.TypedConfig?.TypeUrl ?? "";
            if (type == ProxyProtocol ? filter.TypedConfig!.Value.Length > 0 || filter.FilterDisabled is not null : !s_passive.Contains(type))
            {
                return $"the listener filter {filter.Name} ({EnvoyTypes.Short(type)}), or what it is set to";
            }
        }

        return null;
    }

    /// <summary>Whether every connection begins with a header of the PROXY protocol.</summary>
    public static bool ExpectsProxyHeader(Listener wire) => wire.ListenerFilters.Any(static filter => filter.TypedConfig?.TypeUrl == ProxyProtocol);

    /// <summary>At which ports TLS is looked into for its server name.</summary>
    public static TlsInspection Inspection(Listener wire) =>
        wire.ListenerFilters.Where(filter => filter.TypedConfig?.TypeUrl == TlsInspector).ToArray() is [var inspector] ? new TlsInspection(true, inspector.FilterDisabled) : TlsInspection.Nowhere;
}
