using Ambient.Node.Protos.Discovery;
using Ambient.Testing.ControlPlane;

namespace Ambient.Node.Tests.Discovery.Xds.Envoy;

/// <summary>
/// Resources of an istiod of a test, by type: answers whoever asks for them on its streams, by name or for all, as delta xDS has it, and pushes what changes to
/// who watches it.
/// </summary>
internal sealed class ResourceBook
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(string Type, string Name), Resource> _resources = [];
    private readonly HashSet<(string Type, string Name)> _watched = [];
    private readonly DiscoveryScript _script;

    public ResourceBook(DiscoveryScript script)
    {
        _script = script;
        script.Session = _ => Answer;
    }

    /// <summary>Puts resources in, or others in their place.</summary>
    public void Set(string type, params Resource[] resources)
    {
        lock (_lock)
        {
            foreach (var resource in resources)
            {
                _resources[(type, resource.Name)] = resource;
            }

            var watched = resources.Where(resource => IsWatched(type, resource.Name)).ToArray();
            if (watched.Length > 0)
            {
                _script.Push(XdsKit.Response(type, watched));
            }
        }
    }

    /// <summary>Takes a resource out.</summary>
    public void Remove(string type, string name)
    {
        lock (_lock)
        {
            _resources.Remove((type, name));
            if (IsWatched(type, name))
            {
                _script.Push(new DeltaDiscoveryResponse { TypeUrl = type, Nonce = Guid.NewGuid().ToString(), RemovedResources = { name } });
            }
        }
    }

    private bool IsWatched(string type, string name) => _watched.Contains((type, name)) || _watched.Contains((type, "*"));

    private DeltaDiscoveryResponse? Answer(DeltaDiscoveryRequest request)
    {
        lock (_lock)
        {
            // A type that is first asked for without any name is asked for as a whole.
            var names = request.ResourceNamesSubscribe.Count == 0 && request.ResourceNamesUnsubscribe.Count == 0 ? ["*"] : request.ResourceNamesSubscribe.ToArray();
            foreach (var name in request.ResourceNamesUnsubscribe)
            {
                _watched.Remove((request.TypeUrl, name));
            }

            foreach (var name in names)
            {
                _watched.Add((request.TypeUrl, name));
            }

            return XdsKit.Response(
                request.TypeUrl, [.. _resources.Where(entry => entry.Key.Type == request.TypeUrl && (names.Contains("*") || names.Contains(entry.Key.Name))).Select(entry => entry.Value)]);
        }
    }
}
