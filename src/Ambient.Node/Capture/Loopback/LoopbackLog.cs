using System.Net;
using Microsoft.Extensions.Logging;

namespace Ambient.Node.Capture.Loopback;

/// <summary>What loopback capture logs.</summary>
internal static partial class LoopbackLog
{
    [LoggerMessage(5030, LogLevel.Information, "{Workload} is here: {Address}:15080 (SOCKS5){Hbone}")]
    public static partial void Appeared(this ILogger logger, string workload, IPAddress address, string hbone);

    [LoggerMessage(5031, LogLevel.Information, "{Workload} at {Address} is gone; its connections were closed")]
    public static partial void Gone(this ILogger logger, string workload, IPAddress address);

    [LoggerMessage(5032, LogLevel.Information, "{Workload} at {Address}:15008 is {State} the mesh")]
    public static partial void Enrolment(this ILogger logger, string workload, IPAddress address, string state);

    [LoggerMessage(5033, LogLevel.Warning, "{Fault}; trying again every second. Is another ztunnel, or an application, using the address? NODE_NAME keeps two ztunnels apart")]
    public static partial void NotBound(this ILogger logger, string fault);

    [LoggerMessage(5034, LogLevel.Information, "{Workload}: bound after all")]
    public static partial void BoundAfterAll(this ILogger logger, string workload);

    [LoggerMessage(5035, LogLevel.Error, "{Workload}: HBONE accepting failed: {Reason}")]
    public static partial void AcceptingFailed(this ILogger logger, string workload, string reason);

    [LoggerMessage(5036, LogLevel.Error, "listeners could not be brought in line with the mesh; trying again")]
    public static partial void ReconcileFailed(this ILogger logger, Exception exception);
}
