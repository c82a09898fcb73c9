using System.Diagnostics.CodeAnalysis;
using Ambient.Node.Discovery.Documents;

namespace Ambient.Node.Discovery.Kinds;

/// <summary>Whether an object's <c>apiVersion</c> and <c>kind</c> are what somebody meant to write.</summary>
internal static class KindCheck
{
    /// <summary>Domains whose groups of ours are all known.</summary>
    private static readonly string[] s_domains = ["istio.io", "k8s.io", "x-k8s.io"];

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
        group = Renamed(group, kind);
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

    /// <summary>Whether <paramref name="kind"/> is a list of a kind that we know, such as PodList.</summary>
    public static bool IsListKind(string apiVersion, string kind) =>
        KnownKinds.Groups.TryGetValue(apiVersion.IndexOf('/', StringComparison.Ordinal) is var slash and >= 0 ? apiVersion[..slash] : "", out var known) && IsList(known, kind);

    /// <summary>
    /// Notes an error where a reference names a kind that is misspelt, or stands under another group than its own: what it should have led to, or
    /// protected, would be passed over in silence. Any other kind may be somebody else's; <paramref name="isClosed"/> says that none is taken here
    /// but those we know, because without what the reference says more would be let through.
    /// </summary>
    public static void CheckReference(FieldReader reference, string group, string kind, bool isClosed = false)
    {
        if (kind.Length == 0 || (group, kind) is ("networking.istio.io", "Hostname"))
        {
            return; // Hostname: what istiod calls a host that may be of any service
        }

        group = group == "core" ? "" : group;
        if (KnownKinds.Groups.TryGetValue(group, out var known))
        {
            if (!known.Kinds.ContainsKey(kind)
                && (isClosed || NearestWord.Closest(kind, known.Kinds.Keys) is not null || KnownKinds.GroupsOf(kind).Any()))
            {
                reference.Error("kind", $"there is no kind \"{kind}\" in the API group {known.Title}{Meant(known, kind)}");
            }
        }
        else if (FindMisspelt(group, kind, out var meant))
        {
            reference.Error("group", $"\"{group}\" is not a known API group; did you mean \"{meant.Name}\"?");
        }
    }

    /// <summary>Where the kinds of a group went that no cluster has any more: manifests of that time are still about.</summary>
    private static string Renamed(string group, string kind) => (group, kind) switch
    {
        ("extensions", "Deployment" or "DaemonSet" or "ReplicaSet") => "apps",
        ("extensions", "Ingress" or "NetworkPolicy") => "networking.k8s.io",
        _ => group,
    };

    private static IEnumerable<string> Versions(KindSchema kind) => kind.Versions.Select(version => $"{kind.Group}/{version}");

    private static bool IsList(ApiGroup group, string kind) =>
        kind.EndsWith("List", StringComparison.Ordinal) && group.Kinds.ContainsKey(kind[..^4]);

    private static string Meant(ApiGroup group, string kind) => NearestWord.To(kind, group.Kinds.Keys) is { } near && near != kind
        ? $"; did you mean \"{near}\"?"
        : KnownKinds.GroupsOf(kind).FirstOrDefault() is { } other
            ? $"; {kind} is a kind of {other.Title}"
            : $"; expected one of {string.Join(", ", group.Kinds.Keys.Order(StringComparer.Ordinal))}";

    /// <summary>A group that nobody has, and that was meant to be one of ours that has such a kind.</summary>
    private static bool IsMisspeltGroup(FieldReader fields, string group, string version, string kind)
    {
        if (FindMisspelt(group, kind, out var meant))
        {
            fields.Error("apiVersion", $"\"{group}\" is not a known API group; did you mean \"{meant.Name}/{version}\"?");
            return true;
        }

        return false;
    }

    /// <summary>
    /// The group that was meant: one or two letters away, or in the domain of Istio or Kubernetes, where nobody else may have a kind that only
    /// one of our groups has.
    /// </summary>
    private static bool FindMisspelt(string group, string kind, [NotNullWhen(true)] out ApiGroup? meant)
    {
        meant = NearestWord.Closest(group, KnownKinds.Groups.Keys) is { } near ? KnownKinds.Groups[near] : null;
        if (meant is not null && (meant.Kinds.ContainsKey(kind) || NearestWord.To(kind, meant.Kinds.Keys) is not null))
        {
            return true;
        }

        var domain = Array.Find(s_domains, domain => group == domain || group.EndsWith($".{domain}", StringComparison.Ordinal));
        meant = domain is null ? null : KnownKinds.GroupsOf(kind).Where(known => known.IsStrict)
            .OrderByDescending(known => known.Name.EndsWith(domain, StringComparison.Ordinal)).FirstOrDefault();
        return meant is not null;
    }
}
