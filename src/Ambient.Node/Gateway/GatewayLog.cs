using System.Net;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Gateway;

/// <summary>Log lines of an ingress gateway about its listeners.</summary>
internal sealed partial class GatewayLog(ILogger logger)
{
    /// <summary>A listener port is open.</summary>
    public void Opened(int port, IPEndPoint bound) => LogOpened(logger, port, bound);

    /// <summary>A listener port was closed because the Gateway no longer has it.</summary>
    public void Closed(int port) => LogClosed(logger, port);

    /// <summary>A listener port could not be opened.</summary>
    public void NotOpened(int port, IPEndPoint bound, string reason) => LogNotOpened(logger, port, bound, reason);

    /// <summary>A listener cannot be served as it is written, so it is not served.</summary>
    public void NotServed(string gateway, string listener, string problem) => LogNotServed(logger, listener, gateway, problem);

    /// <summary>A route names the gateway as its parent and answers nothing there.</summary>
    public void NotAttached(string kind, string route, string gateway, string problem) => LogNotAttached(logger, kind, route, gateway, problem);

    /// <summary>The certificate that backends are to be shown cannot be used: they are shown none.</summary>
    public void NotShown(string gateway, string problem) => LogNotShown(logger, gateway, problem);

    [LoggerMessage(5600, LogLevel.Information, "listener port {Port} is open on {Bound}")]
    private static partial void LogOpened(ILogger logger, int port, IPEndPoint bound);

    [LoggerMessage(5601, LogLevel.Information, "listener port {Port} is closed: the Gateway no longer has it")]
    private static partial void LogClosed(ILogger logger, int port);

    [LoggerMessage(5602, LogLevel.Error, "listener port {Port} cannot be opened on {Bound}: {Reason}; ports below 1024 need CAP_NET_BIND_SERVICE, or set AMBIENT_LISTENER_PORT_OFFSET")]
    private static partial void LogNotOpened(ILogger logger, int port, IPEndPoint bound, string reason);

    [LoggerMessage(5603, LogLevel.Warning, "listener {Listener} of Gateway {Gateway} is not served: {Problem}")]
    private static partial void LogNotServed(ILogger logger, string listener, string gateway, string problem);

    [LoggerMessage(5604, LogLevel.Warning, "{Kind} {Route} does not attach to Gateway {Gateway}: {Problem}")]
    private static partial void LogNotAttached(ILogger logger, string kind, string route, string gateway, string problem);

    [LoggerMessage(5606, LogLevel.Warning, "Gateway {Gateway} shows no certificate to its backends: {Problem}")]
    private static partial void LogNotShown(ILogger logger, string gateway, string problem);
}
