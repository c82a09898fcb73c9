using System.Collections.Immutable;
using Ambient.Mesh;
using Ambient.Node.Discovery.Objects;

namespace Ambient.Node.Discovery.Translation;

/// <summary>To which namespaces objects are exported (<c>exportTo</c>): <c>*</c> is all of them, <c>.</c> the object's own, <c>~</c> none.</summary>
internal static class ExportTo
{
    /// <summary>The namespaces, with the object's own in place of the dot.</summary>
    public static ImmutableArray<string> InFull(IEnumerable<string> written, ObjectMeta meta) => [.. written.Select(ns => ns == "." ? meta.Namespace : ns)];

    /// <summary>Which clients see a service; null: none, so that the mesh does not have it.</summary>
    /// <param name="written">What the object says; empty: nothing.</param>
    /// <param name="byDefault">What the mesh says where the object says nothing.</param>
    /// <param name="meta">The object.</param>
    public static (ServiceVisibility Visibility, ImmutableArray<string> Namespaces)? Of(IReadOnlyList<string> written, IReadOnlyList<string> byDefault, ObjectMeta meta)
    {
        var namespaces = InFull(written.Count > 0 ? written : byDefault, meta);
        if (namespaces.IsEmpty || namespaces.Contains("*"))
        {
            return (ServiceVisibility.Public, []);
        }

        ImmutableArray<string> named = [.. namespaces.Where(ns => ns != "~").Distinct(StringComparer.Ordinal)];
        return named.IsEmpty ? null : (ServiceVisibility.Namespace, [.. named.Where(ns => ns != meta.Namespace)]);
    }
}
