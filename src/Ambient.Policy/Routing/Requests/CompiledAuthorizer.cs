using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>Where the external authorizer of a rule or backend is, worked out beforehand.</summary>
internal static class CompiledAuthorizer
{
    /// <summary>Finds the authorizer. Why it cannot be asked, so that nothing may be let in; or null.</summary>
    /// <param name="mesh">The mesh.</param>
    /// <param name="route">The route that names it.</param>
    /// <param name="authorizer">What the rule says.</param>
    /// <param name="rule">Name of the rule, for logs.</param>
    /// <param name="grants">Whether it may be of another namespace.</param>
    /// <param name="found">The authorizer.</param>
    internal static string? Find(MeshSnapshot mesh, HttpRoute route, RouteAuthorizer authorizer, string rule, GrantRule grants, out ExternalAuthorizer? found)
    {
        found = null;
        if (CompiledBackend.Find(mesh, route, authorizer.Reference, grants, out var service, out var port) is { } problem)
        {
            return $"its external authorizer cannot be asked: {problem}";
        }

        if (mesh.Requests.FindUnmetProtection(service!.Hostname, port) is { } askedBy)
        {
            return $"its external authorizer cannot be asked: {askedBy} asks for TLS to {service.Hostname}, which cannot be made";
        }

        found = authorizer.Settings with { Name = $"{service.Hostname}:{port} of {rule}", ServiceNamespace = service.Namespace, Hostname = service.Hostname, Port = port };
        return null;
    }
}
