using System.Reflection;

namespace Ambient.Node.Discovery.Kinds;

/// <summary>Every API group that the mesh reads, with its kinds and their fields: the one place that says what is supported.</summary>
internal static class KnownKinds
{
    private static readonly Lazy<IReadOnlyDictionary<string, ApiGroup>> s_groups = new(Read);

    /// <summary>The groups by name; the core group has the empty one.</summary>
    public static IReadOnlyDictionary<string, ApiGroup> Groups => s_groups.Value;

    /// <summary>The fields of a kind, or null when they are not listed.</summary>
    public static KindSchema? Find(string group, string kind) =>
        Groups.TryGetValue(group, out var known) ? known.Schemas.GetValueOrDefault(kind) : null;

    /// <summary>Groups that have a kind of this name, for hints.</summary>
    public static IEnumerable<ApiGroup> GroupsOf(string kind) => Groups.Values.Where(group => group.Kinds.ContainsKey(kind));

    private static Dictionary<string, ApiGroup> Read()
    {
        var groups = new Dictionary<string, ApiGroup>(StringComparer.Ordinal);
        var assembly = Assembly.GetExecutingAssembly();
        foreach (var name in assembly.GetManifestResourceNames().Where(name => name.EndsWith(".fields", StringComparison.Ordinal)))
        {
            using var text = new StreamReader(assembly.GetManifestResourceStream(name)!);
            FieldTable.Read(text.ReadToEnd(), groups);
        }

        return groups;
    }
}
