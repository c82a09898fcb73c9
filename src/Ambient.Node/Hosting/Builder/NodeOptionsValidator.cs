using Ambient.Hbone.Sockets;
using Ambient.Node.Hosting.Options;
using Ambient.Node.Membership;
using Microsoft.Extensions.Options;

namespace Ambient.Node.Hosting.Builder;

/// <summary>Finds everything that is wrong with the settings of a ztunnel or waypoint that an application hosts.</summary>
internal sealed class NodeOptionsValidator(IServiceProvider services) : IValidateOptions<ZtunnelOptions>, IValidateOptions<WaypointOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, ZtunnelOptions options)
    {
        var errors = new List<string>(options.ToMeshRuntime().WithOwnParts(services).Validate());
        if (options.Mode == ZtunnelMode.Dedicated && options.Workload is null)
        {
            errors.Add("Workload: dedicated mode needs it: namespace, name and service account of the one workload");
        }

        ValidateLimits(errors, options.MaxConnections, options.MaxConnectionsPerPeer);

        if (options.WorkerThreads is < 1 or > HboneIo.MaxThreads)
        {
            errors.Add($"WorkerThreads: {options.WorkerThreads} is not a number of threads from 1 to {HboneIo.MaxThreads}");
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
        var errors = new List<string>(options.ToMeshRuntime().WithOwnParts(services).Validate());
        ValidateLimits(errors, options.MaxConnections, options.MaxConnectionsPerPeer);
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

    private static void ValidateLimits(List<string> errors, int connections, int perPeer)
    {
        foreach (var (setting, value) in new[] { (nameof(ZtunnelOptions.MaxConnections), connections), (nameof(ZtunnelOptions.MaxConnectionsPerPeer), perPeer) })
        {
            if (value is < 1 or > 10_000_000)
            {
                errors.Add($"{setting}: {value} is not between 1 and 10,000,000");
            }
        }
    }

    private static ValidateOptionsResult ResultOf(List<string> errors) => errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
}
