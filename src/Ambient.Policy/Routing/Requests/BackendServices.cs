using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>The services that backends of routes refer to.</summary>
internal static class BackendServices
{
    /// <summary>The service of a reference; null: there is none of that name, or it is of a kind that is not known.</summary>
    internal static MeshService? Find(MeshSnapshot mesh, string routeNamespace, ObjectReference target, out bool isKnownKind)
    {
        isKnownKind = true;
        switch (target)
        {
            case { Group: "" or "core", Kind: "Service" }:
                var service = mesh.Services.GetValueOrDefault($"{target.Namespace}/{HostName.InFull(target.Name, target.Namespace, mesh.Requests.ClusterDomain)}");
                return service?.IsVisibleTo(routeNamespace) == true ? service : null;
            case { Group: "networking.istio.io", Kind: "Hostname" }:
                return mesh.FindServiceByHostname(HostName.InFull(target.Name, target.Namespace, mesh.Requests.ClusterDomain), routeNamespace);
            default:
                isKnownKind = false;
                return null;
        }
    }
}
