using Ambient.Node.Discovery.Xds.Envoy.Reading;
using Ambient.Node.Protos.Envoy;

namespace Ambient.Node.Discovery.Xds.Envoy.Listeners;

/// <summary>What of a chain is passed over or done in another way, where it is set to anything but the usual.</summary>
internal static class ChainNotes
{
    private const string WebSocket = "websocket";

    /// <summary>Names it.</summary>
    public static void Add(HttpConnectionManager wire, string where, Problems problems)
    {
        var forwarded = wire.ForwardClientCertDetails;
        problems.NoteIf(wire.StreamIdleTimeout?.ToTimeSpan() > TimeSpan.Zero, where, "how long a request may be idle; see AMBIENT_STREAM_IDLE_TIMEOUT");
        problems.NoteIf(wire.MaxRequestHeadersKb is not null, where, "the size of heads");
        problems.NoteIf(wire.UpgradeConfigs.Any(static upgrade => upgrade.UpgradeType != WebSocket), where, "other upgrades than WebSockets");
        problems.NoteIf(wire.Proxy100Continue is false && wire.RouteConfig.Length > 0, where, "interim answers that are kept; they are passed on");
        problems.NoteIf(
            forwarded is not (HttpConnectionManager.Types.ForwardClientCertDetails.Sanitize or HttpConnectionManager.Types.ForwardClientCertDetails.SanitizeSet),
            where,
            "x-forwarded-client-cert of clients; it is never taken");
        problems.NoteIf(wire.HttpProtocolOptions is { } http1 && (http1.AcceptHttp10 || http1.HeaderKeyFormat.Length > 0), where, "HTTP/1.0, or the case of header names");
    }
}
