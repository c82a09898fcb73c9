using System.Globalization;
using System.Net;
using Ambient.Hbone.Sockets;
using Ambient.Node.Discovery.Translation;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Membership;
using Microsoft.Extensions.Options;

namespace Ambient.Node.Hosting.Builder;

/// <summary>Finds everything that is wrong with the settings of a ztunnel or waypoint that an application hosts, whether they come from its configuration or its code.</summary>
internal sealed class NodeOptionsValidator(IServiceProvider services) : IValidateOptions<ZtunnelOptions>, IValidateOptions<WaypointOptions>
{
    private static readonly TimeSpan s_day = TimeSpan.FromDays(1);

    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, ZtunnelOptions options)
    {
        var errors = Validate(options.ToMeshRuntime(), options.Host);
        if (options.Mode == ZtunnelMode.Dedicated && options.Workload is null)
        {
            errors.Add("Workload: dedicated mode needs it: namespace, name and service account of the one workload");
        }

        if (options.Mode == ZtunnelMode.Shared && string.IsNullOrWhiteSpace(options.InPodSocket))
        {
            errors.Add("InPodSocket: shared mode needs the socket of the network plugin");
        }

        ValidateLimits(errors, options.MaxConnections, options.MaxConnectionsPerPeer);
        Range(errors, nameof(options.StreamWindowSize), options.StreamWindowSize, 65_535, int.MaxValue);
        Range(errors, nameof(options.ConnectionWindowSize), options.ConnectionWindowSize, 65_535, int.MaxValue);
        Range(errors, nameof(options.FrameSize), options.FrameSize, 16_384, 16_777_215);
        Range(errors, nameof(options.PoolMaxStreams), options.PoolMaxStreams, 1, 100_000);
        Range(errors, nameof(options.PoolUnusedReleaseTimeout), options.PoolUnusedReleaseTimeout, TimeSpan.FromMilliseconds(10), s_day);
        Range(errors, nameof(options.KeepAliveTime), options.KeepAliveTime, TimeSpan.FromSeconds(1), s_day);
        Range(errors, nameof(options.KeepAliveInterval), options.KeepAliveInterval, TimeSpan.FromSeconds(1), s_day);
        Range(errors, nameof(options.KeepAliveRetries), options.KeepAliveRetries, 1, 127);
        if (options.WorkerThreads is < 1 or > HboneIo.MaxThreads)
        {
            errors.Add($"WorkerThreads: {options.WorkerThreads} is not a number of threads from 1 to {HboneIo.MaxThreads}");
        }

        Range(errors, nameof(options.AdminPort), options.AdminPort, 1, ushort.MaxValue);
        Range(errors, nameof(options.StatsPort), options.StatsPort, 1, ushort.MaxValue);
        if (!IPAddress.IsLoopback(options.AdminAddress))
        {
            errors.Add($"AdminAddress: {options.AdminAddress} is not a loopback address; whoever reaches the admin endpoint can end the process");
        }

        if (options is { Proxy: false, AnswersNames: false })
        {
            errors.Add("Proxy: without proxy and DNS there is nothing to do");
        }

        return ResultOf(errors);
    }

    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, WaypointOptions options)
    {
        var errors = Validate(options.ToMeshRuntime(), options.Host);
        ValidateLimits(errors, options.MaxConnections, options.MaxConnectionsPerPeer);
        Range(errors, nameof(options.DrainDuration), options.DrainDuration, TimeSpan.Zero, TimeSpan.FromHours(1));
        Range(errors, nameof(options.StreamIdleTimeout), options.StreamIdleTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromDays(365));
        Range(errors, nameof(options.ListenerPortOffset), options.ListenerPortOffset, 0, 60_000);
        if (string.IsNullOrWhiteSpace(options.GatewayName))
        {
            errors.Add("GatewayName: must be set to the name of the Gateway to serve");
        }

        if (string.IsNullOrWhiteSpace(options.Namespace))
        {
            errors.Add("Namespace: must be set to the namespace of the Gateway");
        }

        if (options.Host.Xds is { OnDemand: true })
        {
            errors.Add("Istiod:OnDemand: only a ztunnel can ask piece by piece; a waypoint needs the whole mesh");
        }

        return ResultOf(errors);
    }

    private List<string> Validate(MeshRuntimeOptions membership, NodeOptions host)
    {
        var errors = new List<string>([.. host.SectionFaults, .. membership.WithOwnParts(services).Validate()]);
        Range(errors, nameof(host.PortOffset), host.PortOffset, 0, 40_000);
        Range(errors, nameof(host.TerminationDeadline), host.TerminationDeadline, TimeSpan.Zero, s_day);
        foreach (var (setting, range) in new[] { (nameof(host.PodRange), host.PodRange), (nameof(host.ServiceRange), host.ServiceRange) })
        {
            if (!ComputedAddresses.Allows(range))
            {
                errors.Add($"{setting}: {range} is not an IPv4 range of /8 to /24");
            }
        }

        return errors;
    }

    private static void ValidateLimits(List<string> errors, int connections, int perPeer)
    {
        Range(errors, nameof(ZtunnelOptions.MaxConnections), connections, 1, 10_000_000);
        Range(errors, nameof(ZtunnelOptions.MaxConnectionsPerPeer), perPeer, 1, 10_000_000);
    }

    private static void Range<T>(List<string> errors, string setting, T value, T min, T max)
        where T : IComparable<T>, IFormattable
    {
        if (value.CompareTo(min) < 0 || value.CompareTo(max) > 0)
        {
            // Whole numbers with separators, times as they are written.
            var format = value is TimeSpan ? null : "N0";
            errors.Add($"{setting}: {value} is not between {min.ToString(format, CultureInfo.InvariantCulture)} and {max.ToString(format, CultureInfo.InvariantCulture)}");
        }
    }

    private static ValidateOptionsResult ResultOf(List<string> errors) => errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
}
