using System.Collections.Frozen;

namespace Ambient.Node.Discovery.Kinds;

/// <summary>A kind of an API group, with its fields.</summary>
/// <param name="Group">API group; empty for core.</param>
/// <param name="Name">Kind.</param>
/// <param name="Use">What the mesh does with objects of the kind.</param>
/// <param name="IsNamespaced">Whether its objects are in namespaces.</param>
/// <param name="Versions">Versions in which it is written, the usual one first.</param>
/// <param name="Fields">Its fields besides <c>apiVersion</c>, <c>kind</c>, <c>metadata</c> and <c>status</c>.</param>
internal sealed record KindSchema(
    string Group, string Name, FieldUse Use, bool IsNamespaced, IReadOnlyList<string> Versions, FrozenDictionary<string, FieldSchema> Fields);

/// <summary>An API group whose kinds are known.</summary>
/// <param name="Name">Name; empty for core.</param>
/// <param name="IsStrict">Whether every field of its kinds is listed, so that any other is an error.</param>
/// <param name="Kinds">Every kind of the group, and what the mesh does with it.</param>
/// <param name="Schemas">The kinds whose fields are known.</param>
internal sealed record ApiGroup(
    string Name, bool IsStrict, IReadOnlyDictionary<string, FieldUse> Kinds, IReadOnlyDictionary<string, KindSchema> Schemas)
{
    /// <summary>The group as messages name it.</summary>
    public string Title => Name.Length == 0 ? "core" : Name;
}
