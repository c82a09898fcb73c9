using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>Whether an object of another namespace may be referred to.</summary>
internal static class ReferenceGrants
{
    /// <summary>Whether a ReferenceGrant in the target's namespace lets <paramref name="source"/> refer to it.</summary>
    internal static bool Allow(RequestConfiguration configuration, GrantSource source, ObjectReference target)
    {
        foreach (var (_, grant) in configuration.ReferenceGrants)
        {
            if (grant.Namespace == target.Namespace && grant.From.Contains(source)
                && grant.To.Any(to => Core(to.Group) == Core(target.Group) && to.Kind == target.Kind && (string.IsNullOrEmpty(to.Name) || to.Name == target.Name)))
            {
                return true;
            }
        }

        return false;
    }

    private static string Core(string group) => group == "core" ? "" : group;
}
