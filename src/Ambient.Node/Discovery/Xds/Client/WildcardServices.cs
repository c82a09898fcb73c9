using Ambient.Mesh;

namespace Ambient.Node.Discovery.Xds.Client;

/// <summary>
/// Services of wildcard hosts, as the workload API tells them. It does not say how their endpoints are found: one whose endpoint is a workload of the wildcard's own name stands for
/// every name within it (<c>resolution: DYNAMIC_DNS</c> of a ServiceEntry), one with other endpoints for these. Services and workloads come in any order. Used by one
/// thread at a time.
/// </summary>
internal sealed class WildcardServices
{
    private readonly Dictionary<string, MeshService> _services = new(StringComparer.Ordinal);
    private readonly Dictionary<string, HashSet<string>> _names = new(StringComparer.Ordinal);
    private readonly HashSet<string> _changed = new(StringComparer.Ordinal);

    /// <summary>A service as it is told; what it is to be in the mesh.</summary>
    public MeshService Set(MeshService service)
    {
        if (!IsWildcard(service.Hostname))
        {
            return service;
        }

        _services[service.Key] = service;
        return Marked(service);
    }

    /// <summary>A workload as it is told.</summary>
    public void Set(Workload workload)
    {
        if (_names.Count > 0)
        {
            Remove(workload.Uid);
        }

        if (IsWildcard(workload.Hostname))
        {
            _names[workload.Uid] = [.. workload.Services.Keys.Where(service => service.EndsWith($"/{workload.Hostname}", StringComparison.Ordinal))];
            _changed.UnionWith(_names[workload.Uid]);
        }
    }

    /// <summary>A workload or service is gone; other names are ignored.</summary>
    public void Remove(string name)
    {
        _services.Remove(name);
        if (_names.Remove(name, out var services))
        {
            _changed.UnionWith(services);
        }
    }

    /// <summary>Services that are something else than before because of their workloads, and none after this.</summary>
    public MeshService[] TakeChanged()
    {
        if (_changed.Count == 0)
        {
            return [];
        }

        MeshService[] changed = [.. _changed.Select(key => _services.GetValueOrDefault(key)).OfType<MeshService>().Select(Marked)];
        _changed.Clear();
        return changed;
    }

    private MeshService Marked(MeshService service) => _names.Values.Any(services => services.Contains(service.Key)) ? service with { IsOfManyNames = true } : service;

    private static bool IsWildcard(string host) => host.StartsWith("*.", StringComparison.Ordinal);
}
