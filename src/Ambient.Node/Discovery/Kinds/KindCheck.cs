using System.Diagnostics.CodeAnalysis;
using Ambient.Node.Discovery.Documents;

namespace Ambient.Node.Discovery.Kinds;

/// <summary>Whether an object's <c>apiVersion</c> and <c>kind</c> are what somebody meant to write.</summary>
internal static class KindCheck
{
    /// <summary>
    /// Splits <paramref name="apiVersion"/> and finds the kind. False after an error: no such kind in a group that is known, a version
    /// that the kind does not have, or a group that is misspelt. A kind of a group that we do not read passes, without a schema.
    /// </summary>
    public static bool TryResolve(FieldReader fields, string apiVersion, string kind, out string group, out KindSchema? schema)
    {
        var slash = apiVersion.IndexOf('/', StringComparison.Ordinal);
        group = slash < 0 ? "" : apiVersion[..slash];
        var version = apiVersion[(slash + 1)..];
        schema = null;
        if (!KnownKinds.Groups.TryGetValue(group, out var known))
        {
            return !IsMisspeltGroup(fields, group, version, kind);
        }

        if (slash < 0 && version != "v1")
        {
            // "security.istio.io" without its version: neither a group nor a version.
            var meant = KnownKinds.Groups.GetValueOrDefault(version) is { } named && named.Schemas.GetValueOrDefault(kind) is { } found
                ? $"; did you mean \"{version}/{found.Versions[0]}\"?"
                : "";
            fields.Error("apiVersion", $"\"{apiVersion}\" is not known{meant}");
            return false;
        }

        if (!known.Kinds.ContainsKey(kind))
        {
            if (IsList(known, kind))
            {
                return true;
            }

            fields.Error("kind", $"there is no kind \"{kind}\" in the API group {known.Title}{Meant(known, kind)}");
            return false;
        }

        schema = known.Schemas.GetValueOrDefault(kind);
        if (schema is not null && known.IsStrict && !schema.Versions.Contains(version))
        {
            fields.Error("apiVersion", $"{kind} has no version \"{version}\"; expected {string.Join(", ", Versions(schema))}");
            return false;
        }

        return true;
    }

    private static IEnumerable<string> Versions(KindSchema kind) => kind.Versions.Select(version => $"{kind.Group}/{version}");

    private static bool IsList(ApiGroup group, string kind) =>
        kind.EndsWith("List", StringComparison.Ordinal) && group.Kinds.ContainsKey(kind[..^4]);

    private static string Meant(ApiGroup group, string kind) => NearestWord.To(kind, group.Kinds.Keys) is { } near && near != kind
        ? $"; did you mean \"{near}\"?"
        : KnownKinds.GroupsOf(kind).FirstOrDefault() is { } other
            ? $"; {kind} is a kind of {other.Title}"
            : $"; expected one of {string.Join(", ", group.Kinds.Keys.Order(StringComparer.Ordinal))}";

    /// <summary>A group that nobody has, one or two letters from one of ours that has such a kind.</summary>
    private static bool IsMisspeltGroup(FieldReader fields, string group, string version, string kind)
    {
        if (FindMisspelt(group, kind, out var meant))
        {
            fields.Error("apiVersion", $"\"{group}\" is not a known API group; did you mean \"{meant.Name}/{version}\"?");
            return true;
        }

        return false;
    }

    private static bool FindMisspelt(string group, string kind, [NotNullWhen(true)] out ApiGroup? meant)
    {
        meant = NearestWord.Closest(group, KnownKinds.Groups.Keys) is { } near ? KnownKinds.Groups[near] : null;
        return meant is not null && (meant.Kinds.ContainsKey(kind) || NearestWord.To(kind, meant.Kinds.Keys) is not null);
    }
}
