using System.Collections.Immutable;
using Ambient.Mesh;

namespace Ambient.Policy.Routing.Requests;

/// <summary>Whether objects of a namespace may attach.</summary>
internal static class NamespaceSelection
{
    /// <summary>Whether objects of <paramref name="ns"/> may attach to something of <paramref name="own"/>.</summary>
    internal static bool Allows(
        RequestConfiguration configuration, AllowedNamespaces allowed, ImmutableDictionary<string, string>? selector, string own, string ns) => allowed switch
        {
            AllowedNamespaces.All => true,
            AllowedNamespaces.Same => ns == own,
            AllowedNamespaces.None => false,

            // A selector that cannot be acted on selects nothing; one without labels, everything.
            _ => selector is not null
                && (selector.IsEmpty || (configuration.Namespaces.TryGetValue(ns, out var labels)
                    && selector.All(wanted => labels.TryGetValue(wanted.Key, out var value) && value == wanted.Value))),
        };
}
