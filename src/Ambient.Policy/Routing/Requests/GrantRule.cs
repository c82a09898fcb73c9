using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>Which backends in other namespaces a route may name only where a ReferenceGrant of theirs allows it.</summary>
/// <param name="IsEnforced">Whether grants count at all.</param>
/// <param name="Parent">The service that the route stands for, which needs no grant: its callers meant it; null: none.</param>
internal readonly record struct GrantRule(bool IsEnforced, MeshService? Parent = null)
{
    /// <summary>Whether a backend of a route needs a grant.</summary>
    internal bool Needs(HttpRoute route, ObjectReference target) =>
        IsEnforced
        && route.Kind != HttpRoute.VirtualService
        && target.Namespace != route.Namespace
        && !(Parent is { } parent && target.Name == parent.Name && target.Namespace == parent.Namespace && target.Kind == "Service");
}
