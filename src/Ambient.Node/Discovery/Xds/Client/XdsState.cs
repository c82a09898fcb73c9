using Ambient.Mesh;
using Ambient.Node.Protos.Discovery;

namespace Ambient.Node.Discovery.Xds.Client;

/// <summary>
/// What the control plane has told so far: applies a response as one new snapshot, and remembers the versions that a new stream
/// quotes, so that what has not changed is not sent again. Used by one thread at a time.
/// </summary>
internal sealed class XdsState(MeshStore store)
{
    private readonly MeshPart _part = store.AddPart("xDS");
    private readonly WildcardServices _wildcards = new();
    private readonly Dictionary<string, string> _addresses = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _authorizations = new(StringComparer.Ordinal);

    /// <summary>Names and versions of what is held of a type.</summary>
    public IReadOnlyDictionary<string, string> Versions(string type) => VersionsOf(type) ?? [];

    /// <summary>
    /// Applies a response. What was refused in it leaves what was held under that name as it is, and the version that is held stays quoted: a
    /// later stream is sent the newer one again, and is told when the resource is gone. One that was never held is not quoted.
    /// </summary>
    /// <returns>The answer: an acknowledgement, or a refusal that names what was refused.</returns>
    public DeltaDiscoveryRequest Apply(XdsResponse response)
    {
        var versions = VersionsOf(response.TypeUrl);
        if (versions is not null)
        {
            _part.Update(update => Apply(update, response));
            Remember(versions, response);
        }

        var answer = new DeltaDiscoveryRequest { TypeUrl = response.TypeUrl, ResponseNonce = response.Nonce };
        if (response.Refused.Count > 0)
        {
            answer.ErrorDetail = new Status { Message = string.Join("; ", response.Refused.Select(refused => $"{refused.Name}: {refused.Reason}")) };
        }

        return answer;
    }

    private void Apply(MeshPartUpdate update, XdsResponse response)
    {
        update.EnsureCapacity(response.Workloads);
        foreach (var (_, _, model) in response.Taken)
        {
            Set(update, model);
        }

        foreach (var name in response.Removed)
        {
            Remove(update, response.TypeUrl, name);
        }

        foreach (var service in _wildcards.TakeChanged())
        {
            update.Set(service);
        }
    }

    private static void Remember(Dictionary<string, string> versions, XdsResponse response)
    {
        if (versions.Count == 0)
        {
            versions.EnsureCapacity(response.Taken.Count);
        }

        foreach (var (name, version, _) in response.Taken)
        {
            versions[name] = version;
        }

        foreach (var name in response.Removed)
        {
            versions.Remove(name);
        }
    }

    private Dictionary<string, string>? VersionsOf(string type) => type switch
    {
        XdsTypes.Address => _addresses,
        XdsTypes.Authorization => _authorizations,
        _ => null,
    };

    private void Set(MeshPartUpdate update, object? model)
    {
        switch (model)
        {
            case Workload workload:
                _wildcards.Set(workload);
                update.Set(workload);
                break;
            case MeshService service:
                update.Set(_wildcards.Set(service));
                break;
            case AuthorizationPolicy policy:
                update.Set(policy);
                break;
        }
    }

    /// <summary>A name of an address is a workload's uid or a service's key; which of them only what is held can tell.</summary>
    private void Remove(MeshPartUpdate update, string type, string name)
    {
        if (type == XdsTypes.Authorization)
        {
            update.RemovePolicy(name);
            return;
        }

        _wildcards.Remove(name);
        update.RemoveWorkload(name).RemoveService(name);
    }
}
