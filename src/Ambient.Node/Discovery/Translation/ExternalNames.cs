using System.Collections.Immutable;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>
/// Services of type ExternalName: other names of a host. Where the mesh has the host, the name leads to that service, with
/// its waypoint and policies; elsewhere, on one machine, it becomes a service whose endpoint DNS finds.
/// </summary>
internal sealed class ExternalNames
{
    /// <summary>How many names may lead to one another; DNS resolvers follow no more either.</summary>
    private const int MaxChain = 8;

    private readonly Dictionary<string, string> _targets = new(StringComparer.Ordinal);

    public ExternalNames(KubernetesObjects objects, TranslationOptions options)
    {
        foreach (var service in objects.Services.Values)
        {
            if (service.ExternalName is { } target)
            {
                _targets[Hostname(service, options)] = target;
            }
        }

        Aliases = _targets.Keys.Order(StringComparer.Ordinal).ToLookup(EndOf, StringComparer.Ordinal);
    }

    /// <summary>The names that lead to a host, by that host.</summary>
    public ILookup<string, string> Aliases { get; }

    /// <summary>The names that lead to a host.</summary>
    public ImmutableArray<string> Of(string hostname) => [.. Aliases[hostname]];

    /// <summary>
    /// Adds what leads out of the mesh: an entry under the service's own name whose endpoint is the host that it names. Only
    /// for names with ports, since a connection's port is all that an entry knows of it.
    /// </summary>
    public static void AddEntries(
        KubernetesObjects expanded, IReadOnlySet<string> clusterMade, TranslationOptions options, TranslationMemory memory)
    {
        var hosts = expanded.Services.Values.Select(service => Hostname(service, options))
            .Concat(expanded.ServiceEntries.Values.SelectMany(entry => entry.Hosts))
            .ToHashSet(StringComparer.Ordinal);
        foreach (var service in expanded.Services.Values)
        {
            if (service is { ExternalName: { Length: > 0 } target, Ports.Count: > 0 }
                && !hosts.Contains(target) && !clusterMade.Contains(service.Meta.Namespace))
            {
                var name = expanded.ServiceEntries.ContainsKey(service.Meta.Key) ? $"{service.Meta.Name}-external-name" : service.Meta.Name;
                var entry = memory.Keep("entry of an external name", service.Meta.Key, [service, name], () => ToEntry(service, name, target, options));
                expanded.ServiceEntries.TryAdd(entry.Meta.Key, entry);
            }
        }
    }

    /// <summary>Whether what a name leads to, through others if need be, is a host of the mesh.</summary>
    public static bool LeadsIntoTheMesh(KubernetesObjects expanded, ServiceObject service, TranslationOptions options)
    {
        var end = new ExternalNames(expanded, options).EndOf(Hostname(service, options));
        return expanded.Services.Values.Any(other => !other.IsExternalName && Hostname(other, options) == end)
            || expanded.ServiceEntries.Values.Any(entry => entry.Hosts.Contains(end));
    }

    private static ServiceEntryObject ToEntry(ServiceObject service, string name, string target, TranslationOptions options)
    {
        var meta = service.Meta with { Kind = "ServiceEntry", Name = name, Labels = [] };
        return new ServiceEntryObject(meta)
        {
            Hosts = [Hostname(service, options)],
            Ports = [.. service.Ports.Select(port => port with { TargetPort = port.TargetPort == 0 ? port.Port : port.TargetPort, TargetPortName = "" })],
            Resolution = ServiceEntryResolution.Dns,
            Endpoints = [new WorkloadEntryObject(meta) { Address = target }],
        };
    }

    private string EndOf(string name)
    {
        var end = name;
        for (var i = 0; i < MaxChain && _targets.TryGetValue(end, out var next); i++)
        {
            end = next;
        }

        return end;
    }

    private static string Hostname(ServiceObject service, TranslationOptions options) =>
        $"{service.Meta.Name}.{service.Meta.Namespace}.svc.{options.ClusterDomain}";
}
