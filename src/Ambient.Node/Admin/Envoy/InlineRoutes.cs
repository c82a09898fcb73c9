using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Discovery.Xds.Envoy.Received;
using Ambient.Node.Protos.Envoy;
using Google.Protobuf;

namespace Ambient.Node.Admin.Envoy;

/// <summary>Routes that stand in a listener itself.</summary>
internal static class InlineRoutes
{
    /// <summary>Route configurations of a listener's chains: name and message. What cannot be read of it has none.</summary>
    public static IReadOnlyList<(string Name, ByteString Routes)> Of(ReceivedResource listener)
    {
        ArgumentNullException.ThrowIfNull(listener);
        var found = new List<(string, ByteString)>();
        try
        {
            foreach (var chain in Listener.Parser.ParseFrom(listener.Bytes).FilterChains)
            {
                foreach (var filter in FilterChain.Parser.ParseFrom(chain).Filters.Where(filter => filter.TypedConfig?.TypeUrl == EnvoyTypes.HttpConnectionManager))
                {
                    if (HttpConnectionManager.Parser.ParseFrom(filter.TypedConfig.Value) is { RouteSpecifierCase: HttpConnectionManager.RouteSpecifierOneofCase.RouteConfig } http)
                    {
                        found.Add((RouteConfiguration.Parser.ParseFrom(http.RouteConfig).Name, http.RouteConfig));
                    }
                }
            }
        }
        catch (Exception e) when (e is InvalidProtocolBufferException or InvalidOperationException)
        {
            // It is shown among listeners, as the bytes that it is.
        }

        return found;
    }
}
